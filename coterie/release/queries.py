"""The encoder that queries are read by: the very one that made a release's vectors of texts."""

import threading
from importlib.util import find_spec
from typing import Final

from coterie.content.encoder import ContentEncoder
from coterie.content.encoders import DEFAULT, EncoderChoice, make_encoder
from coterie.errors import BadInputError
from coterie.release.bundle import Release
from coterie.release.encoders import ReleasedEncoder

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

    def open(self, release: Release) -> ContentEncoder | None:
        """Open what encodes queries for a release; None where nothing does.

        An API is not asked before the first query.

        Raises:
            BadInputError: The encoder that was set is another than the release's, or not there.
            UnavailableError: The store of its weights does not answer.
        """
        made = release.manifest.encoders.get(TEXT)
        place = self._place or (DEFAULT if made and _default_is_here(made) else NONE)
        if made is None or place == NONE:
            return None
        with self._lock:
            if made not in self._opened:
                encoder = _open(made.choice(place), self._key, release.version)
                _check(encoder, made, place, release)
                while len(self._opened) >= _AT_ONCE:
                    self._opened.pop(next(iter(self._opened)))
                self._opened[made] = encoder
            return self._opened[made]


def _default_is_here(made: ReleasedEncoder) -> bool:
    if made.place != DEFAULT or find_spec("sentencepiece") is None:
        return False
    from coterie.content.sentences import WEIGHTS

    return WEIGHTS.installed


def _is_address(place: str) -> bool:
    return place.startswith(("https://", "http://"))


def _open(choice: EncoderChoice, key: str, version: str) -> ContentEncoder:
    if not _is_address(choice.place):
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


def _check(encoder: ContentEncoder, made: ReleasedEncoder, place: str, release: Release) -> None:
    if encoder.digest != made.digest:
        raise BadInputError(
            f"queries would be encoded by {encoder.name} ({encoder.digest[:12]}) of {place}, and "
            f"release {release.version} has vectors of {made.encoder} ({made.digest[:12]}): set "
            f"{SETTING} to that one, or to {NONE} to search by words alone, or make a release "
            "with this one"
        )
    width = release.vectors[TEXT].shape[1]
    # An API would have to be asked for it.
    if not _is_address(place) and encoder.width != width:
        raise BadInputError(
            f"release {release.version} says that {made.encoder} made its vectors of texts, but "
            f"they have {width} numbers and not {encoder.width}: make it again, do not roll it out"
        )
