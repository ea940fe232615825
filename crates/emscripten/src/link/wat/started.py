def started():
    import io, os, sys, time
    sys.orig_argv = sys.argv
    os.reload_environ()
    if hasattr(time, 'tzset'): time.tzset()
    for fd, name in enumerate(('stdin', 'stdout', 'stderr')):
        old = getattr(sys, name)
        buffer = io.open(fd, 'wb' if fd else 'rb', closefd=False)
        buffer.raw.name = old.name
        lines = fd == 2 or buffer.raw.isatty()
        new = io.TextIOWrapper(buffer, old.encoding, old.errors, newline='\n', line_buffering=lines)
        new.mode = old.mode
        setattr(sys, name, new)
        setattr(sys, '__%s__' % name, new)
    places = os.environ.get('PYTHONPATH')
    if places:
        import site
        sys.path[:0] = map(os.path.abspath, places.split(':'))
        site.execsitecustomize()
started()
del started
