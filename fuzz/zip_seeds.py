"""Seeds for the target `zip` that another implementation writes: `python3 zip_seeds.py corpus/zip`."""
import io
import os
import stat
import sys
import warnings
import zipfile

OUT = sys.argv[1]
TIME = (1980, 1, 1, 0, 0, 0)


class Unseekable(io.RawIOBase):
    """Makes zipfile write data descriptors."""

    def __init__(self, to):
        self.to = to

    def writable(self):
        return True

    def write(self, data):
        return self.to.write(data)

    def flush(self):
        pass


def info(name, mode=0o100644, method=zipfile.ZIP_DEFLATED):
    made = zipfile.ZipInfo(name, TIME)
    made.create_system, made.external_attr, made.compress_type = 3, mode << 16, method
    return made


def put(name, fill, wrap=lambda to: to, comment=b""):
    to = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(wrap(to), "w") as archive:
            archive.comment = comment
            fill(archive)
    with open(os.path.join(OUT, "seed-python-" + name), "wb") as file:
        file.write(to.getvalue())


def tree(archive):
    archive.writestr(info("d/", 0o40755), b"")
    archive.writestr(info("d/text"), b"some text, some text, some text\n" * 40)
    archive.writestr(info("d/link", stat.S_IFLNK | 0o777), b"text")
    archive.writestr(info("stored", method=zipfile.ZIP_STORED), bytes(range(256)))


put("tree", tree)
put("streamed", tree, Unseekable)
put("comment", tree, comment=b"a comment PK\x05\x06")
put("bomb", lambda a: a.writestr(info("zeros"), bytes(300_000)))
put("methods", lambda a: [a.writestr(info(str(m), method=m), b"x" * 90) for m in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED)])
put("twice", lambda a: [a.writestr(info(name), name.encode()) for name in ("a", "a", "a/b", "../c", "/d", "e//f", "g/./h")])
put("many", lambda a: [a.writestr(info(f"{n % 5}/{n}"), b"") for n in range(40)])


def zip64(archive):
    with archive.open(info("large"), "w", force_zip64=True) as file:
        file.write(b"content" * 30)


put("zip64", zip64)
