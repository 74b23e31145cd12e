"""Where releases lie and rollouts are written down, and what to serve at the start."""

import contextlib
import time
from typing import Any, Final

from coterie.errors import UnavailableError
from coterie.release.files import read_files
from coterie.rollout.live import Live, ReleaseRef
from coterie.rollout.state import State, Target
from coterie.rollout.store import FileRolloutStore, RolloutStore
from serving.settings import KUBERNETES, Settings

KNOWN_S: Final = 5.0
"""For so long the store's list of releases is not read again."""


def open_rollout_store(settings: Settings) -> RolloutStore:
    """Open what keeps rollouts, on this machine or in a cluster."""
    if settings.rollouts.startswith(KUBERNETES):
        from coterie.cluster.api import Cluster
        from coterie.cluster.store import ClusterRolloutStore

        namespace, _, name = settings.rollouts.removeprefix(KUBERNETES).partition("/")
        return ClusterRolloutStore(Cluster.connect(namespace), name)
    return FileRolloutStore(settings.rollouts_root)


def first_live(settings: Settings) -> Live:
    """Choose what to serve at the start: what was live when the app ended, or the release named.

    Raises:
        BadInputError: A release is damaged, or is not where it was.
        UnavailableError: The store did not answer.
    """
    begun, rollout_store = _begun(settings), FileRolloutStore(settings.rollouts_root)
    state, version = rollout_store.read()
    if not state.stable:
        rollout_store.write(State(stable=begun.digest), version)
        return Live(begun)
    return ReleaseLocator(settings.releases_root, begun).live(state.target)


def first_stable(settings: Settings) -> ReleaseRef:
    """Tell which release ``first_live`` will choose as stable, and write nothing; raises as it."""
    begun, (state, _) = _begun(settings), FileRolloutStore(settings.rollouts_root).read()
    if not state.stable:
        return begun
    return ReleaseLocator(settings.releases_root, begun).locate(state.stable)


def _begun(settings: Settings) -> ReleaseRef:
    return ReleaseRef(read_files(settings.release).digest, settings.release)


class ReleaseLocator:
    """Finds the folders of releases, by digest, version or name."""

    def __init__(self, root: str, begun: ReleaseRef) -> None:
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

    def locate(self, digest: str) -> ReleaseRef:
        """Find where the release of a digest lies; raises as ``live`` does."""
        if digest not in self._found:
            self._found[digest] = ReleaseRef(digest, self._store().by_digest(digest))
        return self._found[digest]

    def find(self, release: str) -> ReleaseRef:
        """Find a release by its version, or by its folder in the store.

        Raises:
            BadInputError: The store has no such release.
            UnavailableError: It did not answer.
        """
        store = self._store()
        folder = store.folder(release.rstrip("/").removeprefix(f"{store.root}/"))
        known = {version: digest for digest, version in store.digests().items()}
        return ReleaseRef(known[folder.rpartition("/")[2]], folder)

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
    begun = ReleaseRef(read_files(settings.release).digest, settings.release)
    return ReleaseLocator(settings.releases_root, begun)
