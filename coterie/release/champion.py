"""The champion of a release store is what a rollout's controller has made stable."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from coterie.errors import CoterieError
from coterie.release.store import ReleaseStore

AGAIN_S: Final = 30.0
"""Seconds after which a store that could not be written is tried again."""


class ChampionPointer:
    """Writes a store's champion, beside the controller: a store that is away holds nothing up.

    It remembers only what it has written. A controller that was killed before begins anew with
    what its book says is stable, so the pointer always comes to follow the book. Where two installs
    share a store, each writes when its own stable release changes and when it begins, no more: the
    last one counts.
    """

    def __init__(
        self,
        root: str,
        log: logging.Logger,
        may_act: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to follow a controller.

        ``may_act`` is asked right before the store is written, and says whether we may.
        """
        self._root, self._log, self._may_act, self._clock = root, log, may_act, clock
        self._written = self._failed = ""
        self._again_at = 0.0
        self._at_work: threading.Thread | None = None

    def follow(self, digest: str) -> None:
        """See that the store names a release, and return at once: called in every turn.

        Args:
            digest: Of the release that is stable; empty where there is none yet.
        """
        if not digest or digest == self._written or (self._at_work and self._at_work.is_alive()):
            return
        if digest == self._failed and self._clock() < self._again_at:
            return
        self._at_work = threading.Thread(target=self._try, args=(digest,), daemon=True)
        self._at_work.start()

    def wait(self) -> None:
        """Wait until what was begun is over."""
        if self._at_work:
            self._at_work.join()

    def _try(self, digest: str) -> None:
        try:
            self._write(digest)
        except CoterieError as error:
            self._fail(digest, str(error))
        except Exception as error:
            self._fail(digest, f"{type(error).__name__}: {error}")

    def _write(self, digest: str) -> None:
        store = ReleaseStore(self._root)
        version = store.by_digest(digest).rpartition("/")[2]
        # Who lost the lease while the store was slow would write what another one has changed.
        if self._may_act():
            store.crown(version)
            self._log.info("champion of %s: %s", self._root, version)
            self._written, self._failed = digest, ""

    def _fail(self, digest: str, why: str) -> None:
        """Say so, once a release: each trial fails in slightly other words."""
        if digest != self._failed:
            self._log.warning(
                "the champion of %s stays as it was, %s is stable: %s; tried again each %.0f s",
                self._root,
                digest[:12],
                why,
                AGAIN_S,
            )
        self._failed, self._again_at = digest, self._clock() + AGAIN_S
