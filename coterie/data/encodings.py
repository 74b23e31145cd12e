"""Bytes of text files: unpacked, in UTF-8, or an error that says where they are not."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

import pyarrow as pa

from coterie.errors import BadInputError

COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}
"""Compressions by the end of a file's name."""
_MAGIC: Final = {
    b"\x1f\x8b": "packed with gzip: let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "packed with zstd: let its name end in .zst",
    b"BZh": "packed with bzip2: unpack it, or pack it with gzip",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or save it as CSV",
    b"PAR1": "a Parquet file: let its name end in .parquet",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet: save it as CSV",
    b"SQLite format 3": "a database: export its tables",
}
"""First bytes of files that are no text, whatever their names say."""
CHUNK_BYTES: Final = 1 << 22
_SAMPLE_BYTES: Final = 1 << 16
_AROUND = 2_000
_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def utf8_chunks(file: Path, name: str, encoding: str = "utf-8") -> Iterator[bytes]:
    """Yield the bytes of a text file in UTF-8, without a byte order mark.

    Args:
        file: May be compressed (``COMPRESSIONS``).
        name: What errors call it.
        encoding: Of the file, as Python names it.

    Raises:
        BadInputError: It cannot be unpacked, or is not in that encoding; with the line.
    """
    plain = codecs.lookup(encoding).name == "utf-8"
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, is_first = 1, True
    for chunk in _unpacked(file, name):
        if is_first:
            _refuse_binary(chunk, name)
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError as error:
            lines += error.object[: error.start].count(b"\n")
            raise BadInputError(_refusal(name, encoding, lines, error)) from error
        if plain and b"\0" in chunk:
            raise BadInputError(
                f"{name} is not in UTF-8 (it holds NULs): {_advice(chunk[:_AROUND])}"
            )
        lines += chunk.count(b"\n")
        data = chunk if plain else text.encode()
        if is_first and data:
            data, is_first = data.removeprefix(codecs.BOM_UTF8), False
        yield data
    if decoder.getstate()[0]:
        raise BadInputError(f"{name} ends in the middle of a character: was it cut short?")


def _refuse_binary(start: bytes, name: str) -> None:
    found = next((what for magic, what in _MAGIC.items() if start.startswith(magic)), None)
    if found:
        raise BadInputError(f"{name} is no text but {found}")


def _unpacked(file: Path, name: str) -> Iterator[bytes]:
    kind = COMPRESSIONS.get(file.suffix.lower())
    try:
        with _opened(file, kind) as content:
            while chunk := content.read(CHUNK_BYTES):
                yield bytes(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowInvalid, OSError) as error:
        if kind is None:
            raise
        raise BadInputError(
            f"{name} is no whole {kind} file: {error}: was it cut short while it was copied?"
        ) from error


def _opened(file: Path, kind: str | None) -> BinaryIO:
    if kind is None:
        return file.open("rb")
    if kind == "gzip":
        return cast(BinaryIO, gzip.open(file, "rb"))
    return cast(BinaryIO, pa.CompressedInputStream(pa.OSFile(str(file)), kind))


class Utf8Stream(io.RawIOBase):
    """The same bytes as a file to read from, for readers that want one."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with what comes next; 0 at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def sample_of(file: Path, name: str) -> bytes:
    """Read the first bytes of a file, unpacked, in whatever encoding it has."""
    return next(_unpacked(file, name), b"")[:_SAMPLE_BYTES]


def guess_encoding(sample: bytes) -> str | None:
    """Guess what the first bytes of a text are written in, as Python names it; None where nothing
    fits.

    >>> guess_encoding("Größe".encode("utf-16")), guess_encoding("Größe".encode())
    ('utf-16', 'utf-8')
    """
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        return "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return _guess_legacy(sample)
    return "utf-8"


def _guess_legacy(sample: bytes) -> str | None:
    if not re.search(_LETTERS, sample):
        return "cp1252"
    # Importing it takes longer than most files take to read.
    from charset_normalizer import from_bytes

    # Only the lines that ASCII cannot hold say anything; the others would drown them.
    told = b"\n".join(line for line in sample.split(b"\n") if re.search(rb"[\x80-\xff]", line))
    best = from_bytes(told, cp_isolation=_LEGACY).best()
    return best.encoding if best is not None else None


_LEGACY: Final = ["cp1252", "gb18030", "big5", "shift_jis", "euc_kr", "cp1251"]
"""Encodings that shops still export in; latin-1 is within cp1252."""


_LETTERS: Final = rb"[^\x00-\x7f\x80\x82\x84-\x87\x89\x8b\x91-\x97\x99\x9b\xa0-\xbf\xd7\xf7]"
"""What is no ASCII and no mark of cp1252, such as a euro sign beside prices: a letter."""


def _refusal(name: str, encoding: str, line: int, error: UnicodeDecodeError) -> str:
    start, data = error.start, error.object
    known = "UTF-8" if encoding == "utf-8" else encoding
    # A byte order mark stands at the start; what a letter is shows beside it.
    beside = data[:4] + data[max(4, start - _AROUND) : start + _AROUND]
    return f"{name} is not in {known} (line {line}: byte 0x{data[start]:02x}): {_advice(beside)}"


def _advice(sample: bytes) -> str:
    guess = guess_encoding(sample)
    if guess in (None, "utf-8"):
        return "convert it to UTF-8 with iconv, from what it was exported in"
    return f"it looks like {guess}; convert it: iconv -f {guess} -t utf-8"
