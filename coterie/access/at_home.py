"""A key that an app on one machine makes for itself at each start."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from coterie.access.keys import changing, make_key
from coterie.access.scopes import Scope
from coterie.files import atomic_file

NAME: Final = "this machine"
"""Of the key; those of earlier starts go."""
FILE: Final = "keys.json"
KEY_FILE: Final = "key"
"""Beside it, for who sits at the machine: the key itself."""
OPEN: Final = (Scope.LISTS, Scope.EVENTS)
"""What needs no key where only this machine gets in."""
_HIDDEN: Final = 0o600


def own_key(state: Path, alone: bool, environment: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Make a key of all scopes for an app with a folder of state.

    Args:
        state: Where the file of keys lies, and the key beside it.
        alone: Only this machine reaches the app: lists and events need no key, and pages begin
            sessions by themselves.
        environment: What a person has set is left as it is.

    Returns:
        Variables for the app, and the key; nothing, and no key, where a file of keys is set.
    """
    if environment.get("COTERIE_KEYS"):
        return {}, ""
    kept, credential = make_key(NAME, [*Scope], datetime.now(UTC))
    with changing(state / FILE) as change:
        change.keys = (*(key for key in change.keys if key.name != NAME), kept)
    with atomic_file(state / KEY_FILE) as file:
        os.fchmod(file.fileno(), _HIDDEN)
        file.write(f"{credential}\n".encode())
    told = {"COTERIE_KEYS": str((state / FILE).absolute())}
    if alone:
        told["COTERIE_PAGE_KEY"] = kept.id
        if not environment.get("COTERIE_OPEN_SCOPES"):
            told["COTERIE_OPEN_SCOPES"] = " ".join(OPEN)
    return told, credential
