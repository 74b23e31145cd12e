"""Short-lived signed tokens behind which a key stands: revoke the key, and they end with it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import jwt

from coterie.access.keys import Key
from coterie.errors import BadInputError

ALGORITHM: Final = "HS256"
"""The only one that is read: a token never chooses how it is checked."""
MAX_CHARACTERS: Final = 2048


class Purpose(StrEnum):
    """What a token is for: its audience, so that none passes for another."""

    SHOPPER = "coterie:shopper"
    """Opens one shopper's own routes."""
    SIGN_IN = "coterie:sign-in"
    """Begins a session in a browser, once it is opened as a link."""
    SESSION = "coterie:session"
    """What a browser keeps as a cookie: opens what its key does."""


LONGEST: Final = {
    Purpose.SHOPPER: timedelta(hours=1),
    Purpose.SIGN_IN: timedelta(minutes=10),
    Purpose.SESSION: timedelta(hours=12),
}


def mint(
    key: Key, purpose: Purpose, now: datetime, lasts: timedelta | None = None, subject: str = ""
) -> str:
    """Sign a token.

    Args:
        key: Stands behind it.
        purpose: What it is for.
        now: When it begins.
        lasts: How long it opens anything; as long as it may if None.
        subject: The shopper it is bound to, in the form that ids are kept in; the key's id if
            empty.

    Raises:
        BadInputError: It would last longer than any may, or its key can sign nothing.
    """
    lasts = LONGEST[purpose] if lasts is None else lasts
    if not timedelta(0) < lasts <= LONGEST[purpose]:
        raise BadInputError(
            f"a token for {purpose} would last {lasts}: expected up to {LONGEST[purpose]}"
        )
    if not key.signing:
        raise BadInputError(f"key {key.id} signs nothing: rotate it")
    claims = {"aud": purpose.value, "sub": subject or key.id, "iat": now, "exp": now + lasts}
    return jwt.encode(claims, key.signing, ALGORITHM, headers={"kid": key.id})


def read_token(
    token: str, purpose: Purpose, find: Callable[[str], Key | None]
) -> tuple[Key, str] | None:
    """Check a token; None if it opens nothing.

    Args:
        token: As it was sent.
        purpose: What it has to be for.
        find: From an id to a key that opens something.

    Returns:
        The key behind it, and whom it is bound to.
    """
    if len(token) > MAX_CHARACTERS:
        return None
    try:
        key = find(str(jwt.get_unverified_header(token).get("kid", "")))
        if key is None or not key.signing:
            return None
        claims = jwt.decode(
            token,
            key.signing,
            algorithms=[ALGORITHM],
            audience=purpose.value,
            options={"require": ["exp", "iat", "sub", "aud"]},
        )
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    # Whoever has the secret might sign for longer than we would, or numbers that are texts.
    begins, ends = claims["iat"], claims["exp"]
    if not (isinstance(begins, int | float) and isinstance(ends, int | float)):
        return None
    if ends - begins > LONGEST[purpose].total_seconds():
        return None
    return key, str(claims["sub"])
