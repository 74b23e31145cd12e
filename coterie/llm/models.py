"""Which language model is asked: one behind an address, or one in a folder."""

from pathlib import Path

from coterie.errors import BadInputError
from coterie.llm.endpoint import ChatEndpoint, ChatSettings
from coterie.llm.question import LanguageModel, Note


def is_address(place: str) -> bool:
    """Tell whether a place of a model is an API's."""
    return place.startswith(("https://", "http://"))


def open_model(
    place: str, model: str, key: str, note: Note, timeout_s: float, tokens_per_hour: int
) -> LanguageModel | None:
    """Make a model ready; None where no place is named. An API is not asked yet.

    Args:
        place: Address up to ``/v1``, or a folder of weights; empty: there is none.
        model: What an API calls it.
        key: What an API asks of its callers.
        note: Told of each call.
        timeout_s: Of one question.
        tokens_per_hour: 0: no bound.

    Raises:
        BadInputError: There is no such model, or what it needs is not installed.
    """
    if not place:
        return None
    if is_address(place):
        settings = ChatSettings(place, model, timeout_s, tokens_per_hour=tokens_per_hour)
        return ChatEndpoint(settings, key, note)
    from coterie.llm.folder import ChatFolder

    return ChatFolder(place, note, timeout_s, tokens_per_hour)


def read_key(key: str, file: str) -> str:
    """Read the key of an API, from what was given or from a file.

    Raises:
        BadInputError: Both are given, or the file cannot be read.
    """
    if not file:
        return key.strip()
    if key:
        raise BadInputError("the language model's key is given twice, itself and as a file")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        # Without the file's content, which may be the key in another coding.
        raise BadInputError(
            f"cannot read the language model's key in {file}: {type(error).__name__}"
        ) from None
