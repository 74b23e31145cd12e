"""The same readers of bytes, led by which lines an input reaches: atheris, libFuzzer for Python.

    pip install atheris                          (no part of this project needs it)
    python tests/fuzz/fuzz_atheris.py READER -max_total_time=300 -rss_limit_mb=4096 [CORPUS]

READER is one of those that ``fuzz_bytes.py`` lists; what follows is libFuzzer's. It begins with the
files as they should be, and stops at the first input that is neither read nor refused.
"""

import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

PACKAGES = ["coterie", "serving", "yaml", "jwt", "starlette", "PIL"]
"""Whose lines are watched, beside those of readers written in C, which are not."""

with atheris.instrument_imports(include=PACKAGES):
    from fuzz_bytes import readers, tried


def main():
    name, *told = sys.argv[1:]
    with TemporaryDirectory() as folder:
        found = readers(folder)
        if name not in found:
            sys.exit(f"{name!r} is no reader: expected one of {', '.join(found)}")
        read, samples = found[name]
        begin = Path(folder, "samples")
        begin.mkdir()
        for number, sample in enumerate(samples):
            (begin / str(number)).write_bytes(sample)
        warnings.simplefilter("ignore")

        def one(data):
            said = tried(read, data)
            if said not in ("read", "refused"):
                raise AssertionError(f"{name}: {said}")

        atheris.Setup([sys.argv[0], *(told or ["-max_total_time=60"]), str(begin)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
