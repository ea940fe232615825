def started():
    import io, os, sys
    sys.orig_argv = sys.argv
    os.reload_environ()
    for fd, name in enumerate(('stdin', 'stdout', 'stderr')):
        old = getattr(sys, name)
        buffer = io.open(fd, 'wb' if fd else 'rb', closefd=False)
        buffer.raw.name = old.name
        lines = fd == 2 or buffer.raw.isatty()
        new = io.TextIOWrapper(buffer, old.encoding, old.errors, newline='\n', line_buffering=lines)
        new.mode = old.mode
        setattr(sys, name, new)
        setattr(sys, '__%s__' % name, new)
started()
del started
