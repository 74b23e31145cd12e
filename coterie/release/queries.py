"""The encoder that queries are read by: the very one that made a release's vectors of texts."""

import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from coterie.content.encoder import ContentEncoder
from coterie.content.encoders import DEFAULT, EncoderChoice, make_encoder
from coterie.errors import BadInputError
from coterie.release.encoders import ReleasedEncoder
from coterie.release.manifest import Manifest

if TYPE_CHECKING:  # Torch comes with it, which a glance at a manifest need not wait for
    from coterie.release.bundle import Release

TEXT: Final = "text"
NONE: Final = "none"
"""Said in the place of an encoder: queries are not encoded."""
SETTING: Final = "COTERIE_TEXT_ENCODER"
ASKED_S: Final = 2.0
"""How long a shopper's query may wait for an API, which is asked once."""
_AT_ONCE: Final = 2
"""A stable release and a canary."""


class QueryEncoders:
    """Opens the text encoders of releases: each once, whichever releases were made with it."""

    def __init__(self, place: str = "", key: str = "") -> None:
        """Open nothing yet.

        Args:
            place: ``default``, a folder or an address, as the content step takes them; ``none``;
                empty for the default, where a release was made with it and its package is here.
            key: What an API asks of its callers.
        """
        self._place, self._key = place, key
        self._lock = threading.Lock()
        self._opened: dict[ReleasedEncoder, ContentEncoder] = {}

    def open(self, release: "Release") -> ContentEncoder | None:
        """Open what encodes queries for a release; None where nothing does.

        An API is not asked before the first query.

        Raises:
            BadInputError: The encoder that was set is another than the release's, or not there.
            UnavailableError: The store of its weights does not answer.
        """
        vectors = release.vectors.get(TEXT)
        return self.open_for(release.manifest, 0 if vectors is None else vectors.shape[1])

    def open_for(self, manifest: Manifest, width: int) -> ContentEncoder | None:
        """Open what encodes queries for the release of a manifest; raises as ``open`` does.

        Args:
            manifest: Says what made its vectors.
            width: Of its vectors of texts.
        """
        made = manifest.encoders.get(TEXT)
        place = self._place or (DEFAULT if made and _default_is_here(made) else NONE)
        if made is None or place == NONE:
            return None
        with self._lock:
            if made not in self._opened:
                encoder = _open(made.choice(place), self._key, manifest.version)
                _check(encoder, made, place, manifest.version)
                # An API would have to be asked for it.
                if not is_address(place):
                    _check_width(encoder, width, made, manifest.version)
                while len(self._opened) >= _AT_ONCE:
                    self._opened.pop(next(iter(self._opened)))
                self._opened[made] = encoder
            return self._opened[made]

    def try_one(self, manifest: Manifest, width: int) -> None:
        """Encode a query as a shopper's would be: an API is asked, with the key that was given.

        Args:
            manifest: Of the release that is to be searched.
            width: Of its vectors of texts.

        Raises:
            BadInputError: As ``open``; or the API refuses, or its vectors are others.
            UnavailableError: The API does not answer, or the store of weights.
        """
        encoder = self.open_for(manifest, width)
        if encoder is not None:
            _check_width(encoder, width, manifest.encoders[TEXT], manifest.version)


def _default_is_here(made: ReleasedEncoder) -> bool:
    if made.place != DEFAULT or find_spec("sentencepiece") is None:
        return False
    from coterie.content.sentences import WEIGHTS

    return WEIGHTS.installed


def is_address(place: str) -> bool:
    """Tell whether a place of an encoder is an API's."""
    return place.startswith(("https://", "http://"))


def _open(choice: EncoderChoice, key: str, version: str) -> ContentEncoder:
    if not is_address(choice.place):
        try:
            return make_encoder(TEXT, choice)
        except ImportError as error:
            raise BadInputError(
                f"queries of release {version} cannot be encoded by {choice.place}: {error.name} "
                "is not installed; pip install 'coterie[content]', or name another encoder in "
                f"{SETTING}, or {NONE}"
            ) from error
    from coterie.content.endpoint import EndpointEncoder, EndpointSettings

    return EndpointEncoder(
        EndpointSettings(
            choice.place,
            choice.model,
            choice.prefix,
            # What bounds the cost of one run would end search one day.
            max_characters=1 << 62,
            timeout_s=ASKED_S,
            tries=1,
        ),
        key,
    )


def _check(encoder: ContentEncoder, made: ReleasedEncoder, place: str, version: str) -> None:
    if encoder.digest != made.digest:
        raise BadInputError(
            f"queries would be encoded by {encoder.name} ({encoder.digest[:12]}) of {place}, and "
            f"release {version} has vectors of {made.encoder} ({made.digest[:12]}): set "
            f"{SETTING} to that one, or to {NONE} to search by words alone, or make a release "
            "with this one"
        )


def _check_width(encoder: ContentEncoder, width: int, made: ReleasedEncoder, version: str) -> None:
    if encoder.width != width:
        raise BadInputError(
            f"release {version} says that {made.encoder} made its vectors of texts, but they have "
            f"{width} numbers and not {encoder.width}: make it again, do not roll it out"
        )
