"""``coterie keys``: the file of keys that an app reads, and what its keys stand behind."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console
from rich.table import Table

from coterie.access.keys import Key, changing, make_key, read_keys, revoked, rotated
from coterie.access.last_use import last_uses
from coterie.access.scopes import Scope, read_scopes
from coterie.cli import show
from coterie.errors import BadInputError, UnavailableError

VARIABLE: Final = "COTERIE_KEYS"
LOG_VARIABLE: Final = "COTERIE_EVENT_LOG"
_LONGEST_H: Final = 24 * 365


def create(options: argparse.Namespace) -> None:
    """Make a key and show it, once."""
    now = datetime.now(UTC)
    ends = now + timedelta(days=options.days) if options.days else None
    kept, credential = make_key(options.name, read_scopes(options.scopes), now, ends)
    with changing(_file(options)) as change:
        change.keys += (kept,)
    _show_once(kept.id, kept.scopes, credential)


def list_all(options: argparse.Namespace) -> None:
    """Show all keys but what opens anything of them."""
    keys, uses = read_keys(_file(options)), _uses(options)
    now = datetime.now(UTC)
    rows = [_row(key, now, uses.get(key.id)) for key in keys]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    table = Table()
    for heading in ("id", "name", "scopes", "stands", "created", "ends", "last used"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)


def rotate(options: argparse.Namespace) -> None:
    """Make a new key in the place of one."""
    if not 0 <= options.overlap_hours <= _LONGEST_H:
        raise BadInputError(f"--overlap-hours {options.overlap_hours}: expected 0 to {_LONGEST_H}")
    overlap = timedelta(hours=options.overlap_hours)
    with changing(_file(options)) as change:
        change.keys, credential = rotated(change.keys, options.key, datetime.now(UTC), overlap)
    made = change.keys[-1]
    _show_once(made.id, made.scopes, credential)
    sys.stderr.write(f"Key {options.key} ends {options.overlap_hours:g} hours from now\n")


def revoke(options: argparse.Namespace) -> None:
    """Let a key open nothing any more."""
    with changing(_file(options)) as change:
        change.keys = revoked(change.keys, options.key, datetime.now(UTC))
    show.say(f"Key {options.key} opens nothing any more, nor what it stands behind")


def token(options: argparse.Namespace) -> None:
    """Make a shopper's token and print it."""
    from coterie.access.tokens import Purpose, mint
    from coterie.data.ids import normal_id
    from coterie.data.pseudonyms import PseudonymKeys

    key = _key(options)
    if Scope.LISTS not in key.scopes:
        raise BadInputError(f"key {key.id} lacks {Scope.LISTS}: a token opens what its key does")
    lasts, now = timedelta(minutes=options.minutes), datetime.now(UTC)
    # The app compares what stands for a shopper inside.
    user = PseudonymKeys.read(os.environ).of(normal_id(options.user))
    print(mint(key, Purpose.SHOPPER, now, lasts, user))


def link(options: argparse.Namespace) -> None:
    """Make a link that begins a session and print it."""
    from coterie.access.tokens import Purpose, mint

    made = mint(_key(options), Purpose.SIGN_IN, datetime.now(UTC))
    print(f"{options.url.rstrip('/')}/session?token={made}")


ACTIONS: Final = {
    "create": create,
    "list": list_all,
    "rotate": rotate,
    "revoke": revoke,
    "token": token,
    "link": link,
}


def _file(options: argparse.Namespace) -> str:
    found: str = options.file or os.environ.get(VARIABLE, "")
    if not found:
        raise BadInputError(f"which file of keys? Name it with --file, or in {VARIABLE}")
    return found


def _uses(options: argparse.Namespace) -> dict[str, float]:
    """Read when keys were last used: here, and on other machines where they share a Redis."""
    found = last_uses(options.state) if options.state else {}
    log = options.log or os.environ.get(LOG_VARIABLE, "")
    if not log.startswith("redis"):
        return found
    from coterie.data.key_uses import shared_uses

    try:
        shared = shared_uses(log, os.environ.get(f"{LOG_VARIABLE}_PASSWORD", ""))
    except UnavailableError as error:
        sys.stderr.write(f"warning: when keys were last used is not known: {error}\n")
        return found
    return {one: max(found.get(one, 0.0), shared.get(one, 0.0)) for one in {*found, *shared}}


def _key(options: argparse.Namespace) -> Key:
    now = datetime.now(UTC)
    keys = [key for key in read_keys(_file(options)) if key.holds(now)]
    found = next((key for key in keys if key.id == options.key), None)
    if found is None:
        known = ", ".join(key.id for key in keys) or "none"
        raise BadInputError(f"no key {options.key!r} that opens anything: there are {known}")
    return found


def _show_once(key_id: str, scopes: Sequence[Scope], credential: str) -> None:
    """Print the key alone on standard output, for programs, and what it is beside."""
    sys.stderr.write(f"Key {key_id} opens {' '.join(scopes)}. It is shown this once:\n")
    print(credential)


def _row(key: Key, now: datetime, used: float | None) -> dict[str, str]:
    holds = "revoked" if key.revoked else "holds" if key.holds(now) else "ended"
    return {
        "id": key.id,
        "name": key.name,
        "scopes": " ".join(key.scopes),
        "stands": holds,
        "created": key.created,
        "ends": key.revoked or key.expires,
        "last_used": datetime.fromtimestamp(used, UTC).isoformat(timespec="seconds")
        if used
        else "",
    }
