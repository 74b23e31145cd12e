"""The keys that open this app: of a file that is read again when it changes, and today's tokens."""

import logging
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from coterie.access.keys import Key, digest_of, id_in, read_keys
from coterie.access.scopes import Scope
from coterie.errors import BadInputError
from serving.settings import PREFIX, Settings
from serving.telemetry.logs import LOGGER

log: Final = logging.getLogger(LOGGER)

LOOK_S: Final = 1.0
"""Between two looks at the file."""
TOKENS: Final[Mapping[str, tuple[Scope, ...]]] = {
    "admin_token": (Scope.ADMIN,),
    "change_token": (Scope.CATALOGUE, Scope.PEOPLE),
}
"""Settings that were there before keys, for this version, and the scopes that they open."""


def variable_of(setting: str) -> str:
    """Name the variable that sets a setting."""
    return f"{PREFIX}{setting.upper()}"


class KeyRing:
    """Finds the key of a credential."""

    def __init__(self, path: str = "", tokens: Mapping[str, str] | None = None) -> None:
        """Read the file of keys; where it cannot be read, no key opens anything until it can.

        Args:
            path: Of the file; there are none but the tokens if it is empty.
            tokens: By setting, as ``TOKENS`` names them; empty ones let nobody in.
        """
        self._path, self._seen, self._said = path, "", ""
        self._next = 0.0
        self._keys: Mapping[str, Key] = {}
        self._tokens = tuple(_as_keys(tokens or {}))
        self.look()

    @classmethod
    def of(cls, settings: Settings) -> "KeyRing":
        """Take all that a setting names, and say which of them have a successor."""
        ring = cls(settings.keys, {name: getattr(settings, name) for name in TOKENS})
        for token in ring._tokens:
            scopes = " ".join(token.scopes)
            log.warning(
                "a token of before: make a key in its place",
                extra={
                    "fields": {
                        "variable": token.name,
                        "instead": f"coterie keys create --file KEYS --name NAME --scopes {scopes}",
                        "setting": variable_of("keys"),
                    }
                },
            )
        return ring

    @property
    def token_scopes(self) -> frozenset[Scope]:
        """What tokens of before open."""
        return frozenset(scope for token in self._tokens for scope in token.scopes)

    def opened_by(self, scope: Scope) -> bool:
        """Tell whether there is anything that opens a scope, or might be as soon as it is made."""
        return bool(self._path) or scope in self.token_scopes

    def find(self, key_id: str) -> Key | None:
        """Find a key of the file that opens something, by its id."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOOK_S
            self.look()
        key = self._keys.get(key_id)
        return key if key is not None and key.holds(datetime.now(UTC)) else None

    def of_credential(self, credential: str) -> Key | None:
        """Find the key that was sent; None if it is none, or opens nothing any more."""
        key_id = id_in(credential)
        if key_id:
            key = self.find(key_id)
            return key if key is not None and key.is_of(credential) else None
        # All of them: how long it takes tells nothing of a token.
        matches = [token for token in self._tokens if token.is_of(credential)]
        return matches[0] if matches else None

    def look(self) -> None:
        """Take the file's keys where it has changed; where it does not fit, the last ones stay."""
        if not self._path:
            return
        seen = _mark(self._path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            found = read_keys(self._path)
        except BadInputError as error:
            if self._said != (said := str(error)):
                self._said = said
                log.error("keys refused: the last good ones stay", extra={"fields": {"why": said}})
            return
        self._said = ""
        self._keys = {key.id: key for key in found}
        log.info("keys taken", extra={"fields": {"keys": sorted(self._keys)}})


def _as_keys(tokens: Mapping[str, str]) -> Iterator[Key]:
    for setting, scopes in TOKENS.items():
        if token := tokens.get(setting):
            name = variable_of(setting)
            yield Key(setting.replace("_", "-"), name, scopes, digest_of(token), "", "")


def _mark(path: str) -> str:
    """Tell one form of a file from another; a Secret's is another file at the same path."""
    try:
        found = Path(path).stat()
    except OSError as error:
        return f"gone: {error.errno}"
    return f"{found.st_ino} {found.st_mtime_ns} {found.st_size}"
