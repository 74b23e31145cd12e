"""Large files of releases, kept once a machine: all processes that serve one map the same pages.

They lie in a folder of this user's own below the temporary one, by the digest of their content, so
a release that comes from a bucket is fetched once a machine too. A copy is mapped and not the
release's own file: whoever writes over that would change what is served, or end who serves it. What
is mapped is what was checked.
"""

import contextlib
import hashlib
import mmap
import os
from typing import Final

from coterie.files import write_atomically
from coterie.kept_folder import forget_unused, kept_folder
from coterie.release.manifest import FileDigest

SMALLEST: Final = 4_000_000
"""Bytes of a file from which on it is kept."""
Buffer = bytearray | mmap.mmap


def kept(digest: FileDigest) -> mmap.mmap | None:
    """Map a file that this machine keeps, if it is there and every byte as it should be."""
    if digest.size < SMALLEST:
        return None
    try:
        path = kept_folder() / digest.sha256
        with path.open("rb") as file:
            # A map of our own: nobody else's if it were written to, and shared as it is not.
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        os.utime(path)
    except (OSError, ValueError):
        return None
    if len(mapped) != digest.size or hashlib.sha256(mapped).hexdigest() != digest.sha256:
        return None
    return mapped


def keep(data: bytes, digest: FileDigest) -> Buffer:
    """Keep a file that was checked, and map it; small ones, and where the disk refuses, are held in
    this process."""
    if len(data) >= SMALLEST:
        with contextlib.suppress(OSError):
            forget_unused(kept_folder())
            write_atomically(kept_folder() / digest.sha256, data, durable=False)
        mapped = kept(digest)
        if mapped is not None:
            return mapped
    return bytearray(data)


def let_go(buffer: Buffer) -> None:
    """Give back the memory of what was only read to be checked: who needs a page has it again."""
    if isinstance(buffer, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        buffer.madvise(mmap.MADV_DONTNEED)
