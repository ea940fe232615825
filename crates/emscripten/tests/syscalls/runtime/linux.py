"""The C library of this machine, asked over standard input: one call a line, one answer a line.

TZ local SECONDS | TZ make FIELDS | TZ gm SECONDS | TZ timegm FIELDS | TZ format FORMAT FIELDS NAME | TZ parse FORMAT TEXT | TZ asctime FIELDS | TZ zone
Texts are an x and hexadecimal, fields are the nine of struct tm with commas, a missing TZ is a dash.
"""

import ctypes
import sys
import time as clock

libc = ctypes.CDLL(None)
names = ["sec", "min", "hour", "mday", "mon", "year", "wday", "yday", "isdst"]


class Tm(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in names] + [("gmtoff", ctypes.c_long), ("zone", ctypes.c_char_p)]


time_t = ctypes.c_int64
for name in ("mktime", "timegm"):
    getattr(libc, name).restype = time_t
for name in ("localtime_r", "gmtime_r", "strptime", "asctime_r"):
    getattr(libc, name).restype = ctypes.c_void_p
libc.strftime.restype = ctypes.c_size_t


def show(tm):
    return ",".join(str(getattr(tm, name)) for name in names + ["gmtoff"]) + " " + (tm.zone or b"").hex()


def fields(numbers):
    return Tm(*map(int, numbers.split(",")))


def text(digits):
    return bytes.fromhex(digits[1:])


def answer(call, *args):
    tm = Tm()
    if call in ("local", "gm"):
        convert = libc.localtime_r if call == "local" else libc.gmtime_r
        return show(tm) if convert(ctypes.byref(time_t(int(args[0]))), ctypes.byref(tm)) else "none"
    if call in ("make", "timegm"):
        tm = fields(args[0])
        wday, tm.wday = tm.wday, 99
        time = (libc.mktime if call == "make" else libc.timegm)(ctypes.byref(tm))
        # A time of -1 is an error only when nothing was written.
        return "none" if time == -1 and tm.wday == 99 else f"{time} {show(tm)}"
    if call == "format":
        tm = fields(args[1])
        tm.gmtoff, tm.zone = int(args[2]), text(args[3])
        out = ctypes.create_string_buffer(4096)
        length = libc.strftime(out, ctypes.c_size_t(4096), text(args[0]), ctypes.byref(tm))
        return "=" + out.raw[:length].hex()
    if call == "parse":
        buffer = ctypes.create_string_buffer(text(args[1]))
        end = libc.strptime(buffer, text(args[0]), ctypes.byref(tm))
        return f"{end - ctypes.addressof(buffer)} {show(tm)}" if end else "none"
    if call == "zone":
        clock.tzset()
        return f"{clock.timezone} {clock.daylight} {clock.tzname[0]} {clock.tzname[1]}"
    out = ctypes.create_string_buffer(256)
    tm = fields(args[0])
    return "=" + out.value.hex() if libc.asctime_r(ctypes.byref(tm), out) else "none"


for line in sys.stdin:
    zone, call, *args = line.split()
    if zone == "-":
        libc.unsetenv(b"TZ")
    else:
        libc.setenv(b"TZ", text(zone), 1)
    libc.tzset()
    print(answer(call, *args), flush=True)
