"""What made a release's vectors of items, told so that queries can be encoded by the very same."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from coterie.content.encoders import EncoderChoice
from coterie.content.vectors import KIND
from coterie.errors import BadInputError

MAX_KINDS: Final = 16
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_MAX_CHARACTERS: Final = 2048
"""Of a name, a place, a model or a prefix."""


@dataclass(frozen=True, slots=True)
class ReleasedEncoder:
    """One encoder, by name, by digest, and by where it was opened. Never a key."""

    encoder: str
    """Its name."""
    digest: str
    """SHA-256 of its weights and settings."""
    place: str = ""
    """Where it came from: ``default``, a folder or an address; empty where nobody knows. Serving
    opens nothing but the default on the word of a release."""
    model: str = ""
    """What an API calls it."""
    prefix: str = ""
    """What was put before each text."""

    def __post_init__(self) -> None:
        """Refuse what is no description of an encoder.

        Raises:
            BadInputError: A field is no text, far too long, or the digest is none.
        """
        told = (self.encoder, self.digest, self.place, self.model, self.prefix)
        if not all(isinstance(one, str) and len(one) <= _MAX_CHARACTERS for one in told):
            raise BadInputError(
                f"an encoder is described by texts of up to {_MAX_CHARACTERS} characters, and "
                f"this one by {str(told)[:200]}"
            )
        if not _DIGEST.fullmatch(self.digest):
            raise BadInputError(
                f"the encoder {self.encoder!r} has the digest {self.digest!r}: expected a SHA-256"
            )

    def choice(self, place: str) -> EncoderChoice:
        """Choose the same encoder where it lies now."""
        return EncoderChoice(place, self.model, self.prefix)


def parse_encoders(told: object) -> dict[str, ReleasedEncoder]:
    """Read a manifest's encoders by kind, without trusting them.

    Raises:
        BadInputError: They are none, or too many.
    """
    if not isinstance(told, Mapping) or len(told) > MAX_KINDS:
        raise BadInputError(f"encoders are {str(told)[:80]!r}: expected up to {MAX_KINDS}, by kind")
    return {_kind(kind): _encoder(kind, one) for kind, one in told.items()}


def _kind(name: Any) -> str:
    if not isinstance(name, str) or not KIND.fullmatch(name):
        raise BadInputError(f"there is an encoder of the kind {name!r}: expected text or image")
    return name


def _encoder(kind: str, told: Any) -> ReleasedEncoder:
    if not isinstance(told, Mapping) or not {"encoder", "digest"} <= set(told):
        raise BadInputError(f"the encoder of {kind} has no name or no digest: {str(told)[:80]!r}")
    optional = {name: told[name] for name in ("place", "model", "prefix") if name in told}
    return ReleasedEncoder(told["encoder"], told["digest"], **optional)
