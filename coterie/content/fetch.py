"""Pictures and sounds of items: read from where a shop's export says, within bounds."""

import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import httpcore

from coterie.content.web import WebBounds, WebReader, bounded, too_large
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError, CoterieError

TYPES: Final = {
    "image": ("image/",),
    "audio": ("audio/", "application/ogg"),
}
"""What a server may call what it sends, by kind, as beginnings."""
_MAX_URI: Final = 2_000


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """What may be read, and how much of it."""

    roots: tuple[str, ...] = ()
    """Folders of this machine, or beginnings like ``s3://bucket/pictures``, below which files may
    be read; none: no file at all."""
    web: bool = True
    """Whether https addresses of the public network may be read."""
    max_bytes: int = 10_000_000
    """Of one file."""
    timeout_s: float = 15.0
    """For one file, from the first word to the last byte."""
    max_redirects: int = 3
    at_once: int = 8
    """Files that are waited for at a time."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: A bound below what lets anything through.
        """
        if min(self.max_bytes, self.at_once) < 1 or self.timeout_s <= 0 or self.max_redirects < 0:
            raise BadInputError(
                "fetching needs bytes, time and a file at once: max_bytes, timeout_s and at_once "
                "have to be over 0, max_redirects at least 0"
            )
        bad = [root for root in self.roots if "://" in root and not root.startswith("s3://")]
        if bad:
            raise BadInputError(f"root {bad[0]} is neither a folder nor of the form s3://bucket/x")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file lies, once it is known to be allowed."""

    scheme: str
    path: str
    stamp: str
    """Changes when the file does, as far as that can be told without reading it."""


class Fetcher:
    """Reads files of one kind. What may not or cannot be read is an error of its own."""

    def __init__(
        self, kind: str, settings: FetchSettings, network: httpcore.NetworkBackend | None = None
    ) -> None:
        """Nothing is read yet.

        Args:
            kind: ``image`` or ``audio``.
            settings: Bounds.
            network: What connections are made with; the public network alone if not given.
        """
        self._settings = settings
        bounds = WebBounds(
            TYPES[kind],
            settings.max_bytes,
            settings.timeout_s,
            settings.max_redirects,
            settings.at_once,
        )
        self._web = WebReader(bounds, network)

    def fetch_all(self, uris: Sequence[str]) -> list[bytes | CoterieError]:
        """Fetch files side by side; in the place of what cannot be had is why."""
        with ThreadPoolExecutor(self._settings.at_once) as workers:
            return list(workers.map(self._fetch_or_why, uris))

    def stamps(self, uris: Sequence[str]) -> list[str]:
        """Tell what changes when a file does, side by side: nothing, where it cannot be had.

        An https address has the same stamp always: to ask about each would take as long as a file.
        """
        with ThreadPoolExecutor(self._settings.at_once) as workers:
            return list(workers.map(self._stamp_or_nothing, uris))

    def fetch(self, uri: str) -> bytes:
        """Read one file.

        Raises:
            BadInputError: It may not be read, is not there, too large, or of another type.
            UnavailableError: Who has it does not answer in time.
        """
        place = self._find(uri)
        if place.scheme == "https":
            return self._web.read(place.path)
        return self._from_disk(place.path) if place.scheme == "file" else self._from_s3(place.path)

    def _fetch_or_why(self, uri: str) -> bytes | CoterieError:
        try:
            return self.fetch(uri)
        except CoterieError as error:
            return error

    def _stamp_or_nothing(self, uri: str) -> str:
        try:
            return self._find(uri).stamp
        except CoterieError:
            return ""

    def _find(self, uri: str) -> _Place:
        if len(uri) > _MAX_URI or not uri.isprintable():
            raise BadInputError("is no address: too long, or with characters that cannot be seen")
        scheme, separator, rest = uri.partition("://")
        if not separator:
            return self._find_on_disk(uri)
        if scheme.lower() == "file":
            return self._find_on_disk(unquote(rest))
        if scheme.lower() == "s3":
            return self._find_in_s3(uri)
        if scheme.lower() == "https" and self._settings.web:
            return _Place("https", uri, uri)
        known = "https" if self._settings.web else "no web address"
        raise BadInputError(
            f"is of {scheme}: a file below a root, s3 below one, or {known} is read"
        )

    def _find_on_disk(self, path: str) -> _Place:
        for root in self._settings.roots:
            if "://" in root:
                continue
            home = Path(root).resolve()
            # Links are followed first, so that none leads out of the root.
            place = (home / path).resolve()
            if place.is_relative_to(home) and place.is_file():
                told = place.stat()
                return _Place("file", str(place), f"{place}:{told.st_size}:{told.st_mtime_ns}")
        raise BadInputError(f"is no file below the folders that may be read: {self._roots}")

    def _from_disk(self, path: str) -> bytes:
        try:
            opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(opened, "rb") as file:
                if not stat.S_ISREG(os.fstat(opened).st_mode):
                    raise BadInputError("is no plain file")
                return bounded(file.read(self._settings.max_bytes + 1), self._settings.max_bytes)
        except OSError as error:
            raise BadInputError(f"cannot be read: {error.strerror}") from error

    def _find_in_s3(self, uri: str) -> _Place:
        allowed = [root.rstrip("/") + "/" for root in self._settings.roots if "://" in root]
        if not any(uri.startswith(root) for root in allowed) or ".." in uri.split("/"):
            raise BadInputError(f"is not below what may be read: {self._roots}")
        fs, path = open_store(uri)
        try:
            with reaching(uri):
                told = fs.info(path)
        except FileNotFoundError as error:
            raise BadInputError("is not there") from error
        if int(told.get("size") or 0) > self._settings.max_bytes:
            raise too_large(self._settings.max_bytes)
        return _Place("s3", uri, f"{uri}:{told.get('size')}:{told.get('ETag')}")

    def _from_s3(self, uri: str) -> bytes:
        fs, path = open_store(uri)
        try:
            with reaching(uri):
                found = fs.cat_file(path, start=0, end=self._settings.max_bytes + 1)
        except FileNotFoundError as error:
            raise BadInputError("is not there") from error
        return bounded(bytes(found), self._settings.max_bytes)

    @property
    def _roots(self) -> str:
        return ", ".join(self._settings.roots) or "none is named"
