"""Origins of pages: scheme, host and port, as browsers send them."""

import re
from collections.abc import Sequence
from typing import Final

from coterie.errors import BadInputError

_ORIGIN: Final = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def check_origins(origins: Sequence[str], setting: str) -> None:
    """Refuse what a browser would never send: it would be let in silently, or never.

    Args:
        origins: As a shop names them.
        setting: What names them, for the error.

    Raises:
        BadInputError: One is none.
    """
    for origin in origins:
        if origin == "*" and len(origins) > 1:
            raise BadInputError(
                f"{setting} holds * and {len(origins) - 1} more: expected * alone, "
                "which lets every page read answers, or the origins without it"
            )
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise BadInputError(
                f"{setting} holds {origin!r}: expected scheme and host as browsers "
                "send them, in small letters, with the port where it is not the usual one, and "
                "without a path, like https://shop.example or http://localhost:3000"
            )
