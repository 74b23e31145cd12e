"""Which encoder a shop takes: the default of a kind, a folder of weights, or an address."""

from dataclasses import dataclass
from typing import Final

from coterie.content.encoder import ContentEncoder
from coterie.errors import BadInputError

DEFAULT: Final = "default"
KEY_VARIABLE: Final = "COTERIE_CONTENT_KEY"
"""Variable with what an API asks of its callers."""


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """An encoder by where it comes from."""

    place: str = ""
    """``default``; or, for texts and pictures, a folder as transformers writes it, here or on a
    store (``s3://models/e5``); or, for texts, the https address of an API like OpenAI's. Empty: the
    kind is left out."""
    model: str = ""
    """What an API calls the model that is asked for."""
    prefix: str = ""
    """Put before each text, where the model was trained so (``query: `` for E5)."""
    device: str = "cpu"
    """Torch device that encodes: ``cpu``, ``cuda``, ``cuda:1``."""
    side: int = 0
    """Pixels, wide and high, to which the default brings pictures; 0 is what it learned with, 224.
    Half of that takes a quarter of the time, and is enough for small or plain pictures."""


def check_choice(kind: str, choice: EncoderChoice) -> None:
    """Refuse a choice that no encoder of a kind can be made of, before anything is loaded.

    Raises:
        BadInputError: There is no such encoder.
    """
    if not choice.place or choice.place == DEFAULT:
        return
    if choice.place.startswith(("https://", "http://")):
        if kind != "text":
            raise BadInputError(f"{choice.place}: addresses encode texts alone, not {kind}")
        from coterie.content.endpoint import EndpointSettings

        EndpointSettings(choice.place, choice.model, choice.prefix)
    elif kind not in ("text", "image"):
        raise BadInputError(f"no encoder {choice.place!r} of {kind}: expected {DEFAULT}")


def make_encoder(kind: str, choice: EncoderChoice, key: str = "") -> ContentEncoder:
    """Make an encoder ready.

    Args:
        kind: ``text``, ``image`` or ``audio``.
        choice: Where it comes from.
        key: What an API asks of its callers; never kept or logged.

    Raises:
        BadInputError: There is no such encoder for this kind, or its weights are not there.
        UnavailableError: A store does not answer.
    """
    check_choice(kind, choice)
    if choice.place == DEFAULT:
        return _default(kind, choice)
    if choice.place.startswith(("https://", "http://")):
        from coterie.content.endpoint import EndpointEncoder, EndpointSettings

        asked = EndpointSettings(choice.place, choice.model, choice.prefix)
        return EndpointEncoder(asked, key)
    if not choice.place:
        raise BadInputError(
            f"no encoder of {kind} is named: expected {DEFAULT}"
            + (", a folder of weights, or an address" if kind == "text" else "")
            + (", or a folder of weights" if kind == "image" else "")
        )
    if kind == "text":
        from coterie.content.sentence_folders import open_text_folder

        return open_text_folder(choice.place, choice.prefix, choice.device)
    from coterie.content.folders import PictureFolder

    return PictureFolder(choice.place, choice.device)


def _default(kind: str, choice: EncoderChoice) -> ContentEncoder:
    # Each brings libraries of its own, so it is imported where it is asked for.
    if kind == "text":
        from coterie.content.sentences import SentenceEncoder

        return SentenceEncoder(choice.device)
    if kind == "image":
        from coterie.content.pictures import PictureEncoder, PictureSettings

        side = choice.side or PictureSettings().side
        return PictureEncoder(PictureSettings(side=side, device=choice.device))
    if kind == "audio":
        from coterie.content.sounds import SoundEncoder

        return SoundEncoder()
    raise BadInputError(f"there is no default encoder of {kind}: expected text, image or audio")
