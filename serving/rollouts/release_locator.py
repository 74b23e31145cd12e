"""Where releases lie and rollouts are written down, and what to serve at the start."""

import contextlib
import time
from typing import Any, Final

from coterie.errors import UnavailableError
from coterie.release.files import read_files
from coterie.rollout.book import Book
from coterie.rollout.controller import Ledger
from coterie.rollout.live import Live, Place
from coterie.rollout.state import State, Target
from serving.settings import KUBERNETES, Settings

KNOWN_S: Final = 5.0
"""For so long the store's list of releases is not read again."""


def open_book(settings: Settings) -> Ledger:
    """Open what keeps rollouts, on this machine or in a cluster."""
    if settings.rollouts.startswith(KUBERNETES):
        from coterie.cluster.api import Cluster
        from coterie.cluster.book import ClusterBook

        namespace, _, name = settings.rollouts.removeprefix(KUBERNETES).partition("/")
        return ClusterBook(Cluster.connect(namespace), name)
    return Book(settings.rollouts_root)


def first_live(settings: Settings) -> Live:
    """Choose what to serve at the start: what was live when the app ended, or the release named.

    Raises:
        BadInputError: A release is damaged, or is not where it was.
        UnavailableError: The store did not answer.
    """
    begun = Place(read_files(settings.release).digest, settings.release)
    book = Book(settings.rollouts_root)
    state, version = book.read()
    if not state.stable:
        book.write(State(stable=begun.digest), version)
        return Live(begun)
    return ReleaseLocator(settings.releases_root, begun).live(state.target)


class ReleaseLocator:
    """Where releases lie, by digest."""

    def __init__(self, root: str, begun: Place) -> None:
        """Take a store, and the release that the app was told of, which may lie outside it."""
        self._root, self._found = root, {begun.digest: begun}
        self._begun, self._versions, self._until = begun, dict[str, str](), 0.0

    def live(self, target: Target) -> Live:
        """Add to a target where its releases lie.

        Raises:
            BadInputError: The store has no release of such a digest.
            UnavailableError: It did not answer.
        """
        canary = self.locate(target.canary) if target.canary else None
        return Live(self.locate(target.stable), canary, target.weight, target.mirrored)

    def locate(self, digest: str) -> Place:
        """Find where the release of a digest lies; raises as ``live`` does."""
        if digest not in self._found:
            self._found[digest] = Place(digest, self._store().by_digest(digest))
        return self._found[digest]

    def find(self, release: str) -> Place:
        """Find a release by its version, or by its folder in the store.

        Raises:
            BadInputError: The store has no such release.
            UnavailableError: It did not answer.
        """
        store = self._store()
        folder = store.folder(release.rstrip("/").removeprefix(f"{store.root}/"))
        known = {version: digest for digest, version in store.digests().items()}
        return Place(known[folder.rpartition("/")[2]], folder)

    def versions(self) -> dict[str, str]:
        """Map digests to versions, some seconds old; what was known where the store is away."""
        if time.monotonic() > self._until:
            begun = {self._begun.digest: self._begun.folder.rstrip("/").rpartition("/")[2]}
            with contextlib.suppress(UnavailableError):
                self._versions = begun | self._store().digests()
            self._until = time.monotonic() + KNOWN_S
        return self._versions

    def _store(self) -> Any:
        # Torch takes seconds to import, and most starts do without the store.
        from coterie.release.store import ReleaseStore

        return ReleaseStore(self._root)


def release_locator(settings: Settings) -> ReleaseLocator:
    """Make a locator for the releases of an app's store.

    Raises:
        BadInputError: The release that the app was told of is damaged.
        UnavailableError: Its store did not answer.
    """
    begun = Place(read_files(settings.release).digest, settings.release)
    return ReleaseLocator(settings.releases_root, begun)
