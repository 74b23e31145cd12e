"""A release read whole before it may run, and compared, beside the controller's turns."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from coterie.errors import BadInputError, CoterieError, UnavailableError
from coterie.rollout.figures import ComparedFigure


@dataclass
class Check:
    """One release; reading may take minutes."""

    digest: str
    folder: Callable[[], str]
    """Where it lies: a store may have to be searched."""
    text_encoder: str | None = None
    """What replicas encode queries with, as ``QueryEncoders`` takes it; None: nobody said."""
    live: Callable[[], str] | None = None
    """Where the release lies that it is compared with, once it was read; None: there is none."""
    figures: tuple[ComparedFigure, ...] = ()
    """How it differs from ``live``; once there is an answer."""
    _over: bool = False
    _refused: str = ""
    _unavailable: str = ""

    def __post_init__(self) -> None:
        threading.Thread(target=self._run, name="preflight", daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether there is an answer."""
        return self._over

    @property
    def passed(self) -> bool:
        """Whether the release was read, and may run."""
        return self._over and not self._refused and not self._unavailable

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
            self._compare()
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
        from coterie.release.queries import QueryEncoders

        folder = self.folder()
        release = load_release(folder)
        if release.digest != self.digest:
            raise BadInputError(
                f"{folder} holds release {release.digest[:12]}, not {self.digest[:12]}"
            )
        if self.text_encoder is not None and _is_looked_at(self.text_encoder):
            # Opened and dropped: here nobody searches. An API is not asked.
            QueryEncoders(self.text_encoder).open(release)

    def _compare(self) -> None:
        if self.live is not None:
            from coterie.release.difference import compare_releases

            self.figures = compare_releases(self.live, self.folder)


def _is_looked_at(place: str) -> bool:
    """Tell whether the controller can know an encoder.

    The default's weights are in its image, and an API is known by its address. Weights in a folder
    may be more than its memory and disk hold, so replicas are the first to open them.
    """
    from coterie.content.encoders import DEFAULT
    from coterie.release.queries import is_address

    return place in ("", DEFAULT) or is_address(place)
