# What `stratafs python` does at a terminal; terminal.py stands before it.
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
