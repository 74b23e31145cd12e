"""A release read whole before it may run, beside the controller's turns."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from coterie.errors import BadInputError, CoterieError, UnavailableError


@dataclass
class Check:
    """One release; reading may take minutes."""

    digest: str
    folder: Callable[[], str]
    """Where it lies: a store may have to be searched."""
    _over: bool = False
    _refused: str = ""
    _unavailable: str = ""

    def __post_init__(self) -> None:
        threading.Thread(target=self._run, name="preflight", daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether there is an answer."""
        return self._over

    def answer(self) -> str | None:
        """Tell why the release may not run; empty: it may; None: that is not known yet.

        Raises:
            UnavailableError: The store did not answer.
        """
        if not self._over:
            return None
        if self._unavailable:
            raise UnavailableError(self._unavailable)
        return self._refused

    def _run(self) -> None:
        try:
            self._load()
        except BadInputError as error:
            self._refused = str(error)
        except CoterieError as error:
            self._unavailable = str(error)
        except Exception as error:
            said = f"{type(error).__name__} while release {self.digest[:12]} was read"
            self._unavailable = said
        self._over = True

    def _load(self) -> None:
        # Torch comes with it, seconds on a slow machine: most controllers never read a release.
        from coterie.release.bundle import load_release

        folder = self.folder()
        found = load_release(folder).digest
        if found != self.digest:
            raise BadInputError(f"{folder} holds release {found[:12]}, not {self.digest[:12]}")
