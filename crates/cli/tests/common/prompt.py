"""prompt.py STRATAFS [OPTIONS]: drives `stratafs python` on a pseudo terminal."""
import os, pty, sys, time, select
def start(*args):
    global rest
    rest = b''
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(sys.argv[1], [sys.argv[1], 'python', *sys.argv[2:], *args])
    return pid, fd
rest = b''
def until(fd, wanted):
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
    rest = seen.split(wanted, 1)[1]
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
            return
    raise SystemExit('it does not end')

pid, fd = start()
until(fd, b'>>> ')
os.write(fd, b'print(6*7)\n'); until(fd, b'\n42\r\n'); until(fd, b'>>> ')
os.write(fd, b'1/0\n'); until(fd, b'ZeroDivisionError'); until(fd, b'>>> ')
os.write(fd, b'open("/etc/motd").readline()\n'); until(fd, b'Welcome to stratafs'); until(fd, b'>>> ')
os.write(fd, b'\x04'); ended(pid, fd, 0)

pid, fd = start()
until(fd, b'>>> ')
os.write(fd, b'raise SystemExit(5)\n'); ended(pid, fd, 5)

pid, fd = start()
until(fd, b'>>> ')
os.write(fd, b'\x03'); until(fd, b'stratafs: interrupted'); ended(pid, fd, 130)

pid, fd = start('-c', 'print("ready")\nwhile True: pass')
until(fd, b'ready')
os.write(fd, b'\x03'); until(fd, b'stratafs: interrupted'); ended(pid, fd, 130)
