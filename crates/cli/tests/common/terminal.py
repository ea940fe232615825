"""terminal.py STRATAFS COMMAND [OPTIONS]: drives a command on a pseudo terminal, as what follows says."""
import os, pty, sys, termios, time, select
def start(*args):
    global rest
    rest = b''
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(sys.argv[1], [*sys.argv[1:], *args])
    return pid, fd
fresh = pty.openpty()
before = termios.tcgetattr(fresh[1])
rest = b''
def until(fd, wanted):
    """Answers what stands before it."""
    global rest
    seen, end = rest, time.monotonic() + 120
    while wanted not in seen:
        if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            raise SystemExit(f'no {wanted} in {seen}')
        try:
            piece = os.read(fd, 4096)
        except OSError:
            piece = b''
        if not piece:
            raise SystemExit(f'it ended before {wanted}: {seen}')
        seen += piece
    shown, rest = seen.split(wanted, 1)
    return shown
def ended(pid, fd, wanted):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        # A terminal that nobody reads keeps what writes to it from ending.
        if select.select([fd], [], [], 0.05)[0]:
            try: os.read(fd, 4096)
            except OSError: pass
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == wanted, status
            assert termios.tcgetattr(fd) == before, 'the terminal is not what it was'
            return
    raise SystemExit('it does not end')
