"""Pseudonyms: what stands for a person inside, where a shop keeps no ids of its own there.

A pseudonym is an HMAC-SHA-256 of the id under a key of the shop's, cut to 128 bits. Keys form a
chain, oldest first: the next one is over the pseudonym of the one before. So who has all keys gets
from an id to its pseudonym, and from an older pseudonym to the newest, and nobody gets back. Why
so: docs/adr/0060-pseudonyms-at-the-door.md.
"""

import binascii
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from coterie.errors import BadInputError
from coterie.files import atomic_file

VARIABLE: Final = "COTERIE_PSEUDONYM_KEY"
"""Holds the keys, oldest first, a line each; lines that begin with # say something else."""
FILE_VARIABLE: Final = "COTERIE_PSEUDONYM_KEY_FILE"
"""Names a file that holds them in this form."""
LEAST_KEY: Final = 32
"""Characters of a key."""
IS_PSEUDONYM: Final = "has the form of a pseudonym: send the id that the shop has"
OF_ANOTHER_KEY: Final = "a pseudonym under a key that is not among those given"

PREFIX: Final = "ps-"
_FORM: Final = re.compile(r"ps-([0-9a-f]{8})-[A-Za-z0-9_-]{22}", re.ASCII)
DIGEST_BYTES: Final = 16
DIGEST_CHARACTERS: Final = 22
"""That 16 bytes take in base64, which is written as addresses may hold it."""
_FOR_ADDRESSES: Final = bytes.maketrans(b"+/", b"-_")
_HIDDEN: Final = 0o600
_HEADING: Final = (
    "# Keys of pseudonyms, oldest first: all are needed, and who has them can try ids."
)
_KEY: Final = re.compile(r"[!-~]+", re.ASCII)


def is_pseudonym(text: str) -> bool:
    """Tell whether a text has the form of a pseudonym, of whatever key."""
    return _FORM.fullmatch(text) is not None


def key_named_in(text: str) -> str:
    """Read which key a pseudonym was made under; empty where a text is none.

    >>> key_named_in("ps-6e98c39f-Ny1inIsUqAcujnPkET_Vxw"), key_named_in("shopper-7")
    ('6e98c39f', '')
    """
    found = _FORM.fullmatch(text)
    return found[1] if found else ""


def base64_for_addresses(content: bytes) -> bytes:
    """Write bytes in base64, with - and _ where it has what an address may not hold."""
    return binascii.b2a_base64(content, newline=False).translate(_FOR_ADDRESSES)


class _Key:
    """One key, ready to make pseudonyms."""

    def __init__(self, secret: str) -> None:
        self.name = hashlib.sha256(b"coterie pseudonym key\x00" + secret.encode()).hexdigest()[:8]
        """Tells keys apart, and nothing of what they are."""
        self.prefix = f"{PREFIX}{self.name}-"
        # To copy a keyed hash takes half as long as to begin one.
        self._begun = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def digest(self, text: str) -> bytes:
        """Make the 16 bytes that stand for a text."""
        made = self._begun.copy()
        made.update(text.encode("utf-8", "replace"))
        return made.digest()[:DIGEST_BYTES]

    def of(self, text: str) -> str:
        """Make the pseudonym of a text."""
        written = base64_for_addresses(self.digest(text))
        return self.prefix + written[:DIGEST_CHARACTERS].decode()


class PseudonymKeys:
    """The keys of a shop, oldest first; without any, ids stay as they are.

    >>> keys = PseudonymKeys(["0123456789abcdef0123456789abcdef"])
    >>> keys.of("shopper-7")
    'ps-6e98c39f-Ny1inIsUqAcujnPkET_Vxw'
    """

    def __init__(self, given: Sequence[str] = ()) -> None:
        """Take keys.

        Raises:
            BadInputError: One is short, or holds what no key does; the error does not show it.
        """
        for place, secret in enumerate(given, 1):
            if len(secret) < LEAST_KEY or not _KEY.fullmatch(secret):
                raise BadInputError(
                    f"pseudonym key {place} of {len(given)} has {len(secret)} characters: "
                    f"expected at least {LEAST_KEY}, visible ASCII, as `coterie pseudonyms "
                    "rotate` makes them"
                )
        if len(set(given)) < len(given):
            raise BadInputError("a pseudonym key is given twice, expected each once: leave one out")
        self._keys = tuple(map(_Key, given))
        self._place = {key.name: place for place, key in enumerate(self._keys)}

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "PseudonymKeys":
        """Read the keys that the environment holds or names a file of; none where it does neither.

        Raises:
            BadInputError: There are both, the file cannot be read, or a key is none.
        """
        return cls.given(environment.get(VARIABLE, ""), environment.get(FILE_VARIABLE, ""))

    @classmethod
    def given(cls, text: str, file: str) -> "PseudonymKeys":
        """Take the keys in a text or in a file; none where both are empty.

        Raises:
            BadInputError: See ``read``.
        """
        if text.strip() and file:
            raise BadInputError(
                f"{VARIABLE} and {FILE_VARIABLE} are both set, and may differ: unset one"
            )
        return cls(read_secrets(file) if file else _secrets_in(text))

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"PseudonymKeys({', '.join(key.name for key in self._keys)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PseudonymKeys) and self._place == other._place

    def __hash__(self) -> int:
        return hash(tuple(self._place))

    @property
    def name(self) -> str:
        """Name of the newest key, which is in each pseudonym of its; empty where there is none."""
        return self._keys[-1].name if self._keys else ""

    @property
    def prefix(self) -> str:
        """What the newest pseudonyms begin with."""
        return f"{PREFIX}{self.name}-"

    def of(self, text: str) -> str:
        """Make the pseudonym of an id; one that is a pseudonym of these keys becomes the newest.

        Args:
            text: An id in its form (``ids.normal_id``), or a pseudonym.

        Raises:
            BadInputError: It is a pseudonym of another key.
        """
        for key in self._keys[self._begin(text) :]:
            text = key.of(text)
        return text

    def lineage(self, text: str) -> tuple[str, ...]:
        """Say what stood for a person, from what is given to the newest pseudonym.

        Raises:
            BadInputError: As ``of``.
        """
        found = [text]
        for key in self._keys[self._begin(text) :]:
            found.append(key.of(found[-1]))
        return tuple(found)

    def digests(self, texts: Sequence[str]) -> list[bytes]:
        """Make what the newest pseudonyms of many ids end with, before it is written; none of the
        ids is a pseudonym, and there is a key."""
        *before, last = self._keys
        for key in before:
            texts = list(map(key.of, texts))
        return list(map(last.digest, texts))

    def _begin(self, text: str) -> int:
        if not self._keys or (found := _FORM.fullmatch(text)) is None:
            return 0
        place = self._place.get(found[1])
        if place is None:
            raise BadInputError(
                f"found {OF_ANOTHER_KEY}: it names key {found[1]}, expected one of "
                f"{', '.join(self._place)}; give that key too, before those that came later"
            )
        return place + 1


def read_secrets(file: str) -> list[str]:
    """Read the keys of a file, oldest first.

    Raises:
        BadInputError: It cannot be read, or holds none.
    """
    try:
        text = Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no ASCII text"
        raise BadInputError(
            f"cannot read the pseudonym keys in {file}: {why}; make them with "
            f"`coterie pseudonyms rotate --file {file}`"
        ) from None
    if not (found := _secrets_in(text)):
        raise BadInputError(
            f"{file} holds no pseudonym key, expected one a line, oldest first: make one with "
            f"`coterie pseudonyms rotate --file {file}`"
        )
    return found


def add_key(file: str) -> PseudonymKeys:
    """Add a new key to a file of keys, in one step; begin the file where there is none.

    Returns:
        The keys that it holds now.

    Raises:
        BadInputError: It is there and holds no keys, or cannot be written.
    """
    target = Path(file)
    before = read_secrets(file) if target.exists() else []
    found = [*before, secrets.token_urlsafe(LEAST_KEY)]
    try:
        with atomic_file(target) as written:
            os.fchmod(written.fileno(), _HIDDEN)
            written.write(("\n".join([_HEADING, *found]) + "\n").encode())
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise BadInputError(f"cannot write {file}: {why}; name a file that can be") from error
    return PseudonymKeys(found)


def _secrets_in(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


NO_KEYS: Final = PseudonymKeys()
