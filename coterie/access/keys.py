"""Keys as a file holds them: what they open and how to tell them, never the keys themselves.

A key is 256 random bits, so nobody finds it by trying, and one SHA-256 keeps it as well as a slow
hash would: slowness helps only what people think up (ADR 58).
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final

from coterie.access.scopes import Scope, read_scopes
from coterie.errors import BadInputError
from coterie.files import atomic_file

VERSION: Final = 1
"""Of the file's form."""
MAX_KEYS: Final = 1000
MAX_BYTES: Final = 1 << 20
MAX_NAME: Final = 64
_MARK: Final = "ck"
_HIDDEN: Final = 0o600
_DIGEST: Final = re.compile("[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; times are ISO 8601, empty where there is none."""

    id: str
    """Stands in logs, and in the key itself."""
    name: str
    """Whose it is, for people."""
    scopes: tuple[Scope, ...]
    digest: str
    """SHA-256 of the whole key."""
    signing: str
    """Secret that signs tokens this key stands behind; who reads it can make such tokens."""
    created: str
    expires: str = ""
    revoked: str = ""

    def holds(self, now: datetime) -> bool:
        """Tell whether it opens anything at a time."""
        return not self.revoked and not (
            self.expires and datetime.fromisoformat(self.expires) <= now
        )

    def is_of(self, credential: str) -> bool:
        """Tell whether a key that was sent is this one, in the same time whatever was sent."""
        return compare_digest(self.digest, digest_of(credential))


def digest_of(credential: str) -> str:
    """Digest a key as it was sent."""
    return hashlib.sha256(credential.encode("utf-8", "replace")).hexdigest()


def id_in(credential: str) -> str:
    """Read which key somebody claims to have; empty if it is no key of ours at all.

    >>> id_in("ck_0a1b2c3d_xyz"), id_in("of-the-shop")
    ('0a1b2c3d', '')
    """
    mark, _, rest = credential.partition("_")
    key_id, divided, _ = rest.partition("_")
    return key_id if mark == _MARK and divided else ""


def make_key(
    name: str, scopes: Sequence[Scope], now: datetime, expires: datetime | None = None
) -> tuple[Key, str]:
    """Make a key.

    Returns:
        What to keep of it, and the key, which is nowhere else.

    Raises:
        BadInputError: The name does not fit.
    """
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise BadInputError(
            f"the key's name is {name[:MAX_NAME]!r}: expected 1 to {MAX_NAME} characters that can "
            "be printed, such as the program that will have it"
        )
    key_id = secrets.token_hex(4)
    credential = f"{_MARK}_{key_id}_{secrets.token_urlsafe(32)}"
    kept = Key(
        id=key_id,
        name=name,
        scopes=tuple(scopes),
        digest=digest_of(credential),
        signing=secrets.token_urlsafe(32),
        created=_text(now),
        expires=_text(expires) if expires else "",
    )
    return kept, credential


def rotated(
    keys: Sequence[Key], key_id: str, now: datetime, overlap: timedelta
) -> tuple[tuple[Key, ...], str]:
    """Put a new key beside one, which ends after a while.

    Returns:
        All keys, and the new one.

    Raises:
        BadInputError: There is no such key, or it opens nothing any more.
    """
    old = _holding(keys, key_id, now)
    made, credential = make_key(old.name, old.scopes, now)
    ends = _text(now + overlap)
    ends = min(ends, old.expires) if old.expires else ends
    return (*_replaced(keys, replace(old, expires=ends)), made), credential


def revoked(keys: Sequence[Key], key_id: str, now: datetime) -> tuple[Key, ...]:
    """Let a key open nothing any more; it stays in the file, to be known in logs.

    Raises:
        BadInputError: There is no such key, or it opens nothing any more.
    """
    return _replaced(keys, replace(_holding(keys, key_id, now), revoked=_text(now)))


def read_keys(path: str | Path) -> tuple[Key, ...]:
    """Read a file of keys.

    Raises:
        BadInputError: It is not there, or not of this form.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInputError(
            f"no keys in {path}: {os.strerror(error.errno or 0)}; make one with `coterie keys "
            f"create --file {path} --name NAME --scopes SCOPE ...`"
        ) from error
    return parse_keys(content, str(path))


def parse_keys(content: bytes, where: str) -> tuple[Key, ...]:
    """Read the bytes of a file of keys.

    Raises:
        BadInputError: They are not of its form; says nothing of what secrets they hold.
    """
    if len(content) > MAX_BYTES:
        raise BadInputError(f"{where} has over {MAX_BYTES} bytes: expected a file of keys")
    try:
        whole = json.loads(content)
        version, listed = whole["version"], whole["keys"]
    except (ValueError, RecursionError, TypeError, KeyError, IndexError) as error:
        raise BadInputError(
            f"{where} is no file of keys: expected what `coterie keys create` writes"
        ) from error
    if version != VERSION or not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise BadInputError(
            f"{where} is of another form: expected version {VERSION} and up to {MAX_KEYS} keys"
        )
    keys = tuple(_key(one, f"{where}: keys[{at}]") for at, one in enumerate(listed))
    if len({key.id for key in keys}) < len(keys):
        raise BadInputError(f"{where} has two keys of one id: leave one out")
    return keys


def written(keys: Sequence[Key]) -> str:
    """Write keys as a file holds them."""
    return json.dumps({"version": VERSION, "keys": [asdict(key) for key in keys]}, indent=1) + "\n"


@contextmanager
def changing(path: str | Path) -> Iterator["KeysChange"]:
    """Read a file of keys, and write it in one step when the block ends well; others wait.

    A file that is not there yet has no keys.

    Raises:
        BadInputError: It is there, and no file of keys; or it cannot be written.
    """
    target = Path(path)
    lock = target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            change = KeysChange(read_keys(target) if target.exists() else ())
            yield change
            with atomic_file(target) as file:
                os.fchmod(file.fileno(), _HIDDEN)
                file.write(written(change.keys).encode())
    except OSError as error:
        raise BadInputError(
            f"cannot write {path}: {os.strerror(error.errno or 0)}; in a cluster change a copy, "
            "and put it into the secret"
        ) from error


@dataclass(slots=True)
class KeysChange:
    """Keys that will be written."""

    keys: tuple[Key, ...]


def _key(given: Any, where: str) -> Key:
    known = {field.name for field in fields(Key)}
    if not isinstance(given, dict) or not {"id", "digest", "scopes"} <= set(given) <= known:
        raise BadInputError(f"{where} is no key: expected {', '.join(sorted(known))}")
    texts = {name: given.get(name, "") for name in known - {"scopes"}}
    scopes = given["scopes"]
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(scopes, list):
        raise BadInputError(f"{where} is no key: expected texts, and a list of scopes")
    try:
        key = Key(scopes=read_scopes(map(str, scopes)), **texts)
        for time in (key.expires, key.revoked):
            if time and datetime.fromisoformat(time).tzinfo is None:
                raise ValueError(time)
    except ValueError as error:
        said = str(error) if isinstance(error, BadInputError) else "a time is not ISO 8601 in UTC"
        raise BadInputError(f"{where}: {said}") from error
    if not key.id.isalnum() or not _DIGEST.fullmatch(key.digest):
        raise BadInputError(f"{where} has no id, or no SHA-256 digest")
    return key


def _holding(keys: Sequence[Key], key_id: str, now: datetime) -> Key:
    found = next((key for key in keys if key.id == key_id), None)
    if found is None:
        known = ", ".join(key.id for key in keys if key.holds(now)) or "none"
        raise BadInputError(f"no key has the id {key_id[:MAX_NAME]!r}: there are {known}")
    if not found.holds(now):
        raise BadInputError(f"key {key_id} opens nothing any more: make a new one")
    return found


def _replaced(keys: Sequence[Key], new: Key) -> tuple[Key, ...]:
    return tuple(new if key.id == new.id else key for key in keys)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")
