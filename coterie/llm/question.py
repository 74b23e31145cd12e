"""What a language model is asked, and what comes back: a value of a form, and what it took."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from coterie.errors import BadInputError

Purpose = Literal["wording", "ask", "catalogue"]
"""What a model is asked for: reasons in a sentence, a shopper's question, what items are."""
PURPOSES: Final[tuple[Purpose, ...]] = ("wording", "ask", "catalogue")
Outcome = Literal["answered", "unfit", "refused", "away", "busy", "over_budget"]
OUTCOMES: Final[tuple[Outcome, ...]] = (
    *("answered", "unfit", "refused", "away", "busy", "over_budget"),
)
"""It answered in the form; in another; it will not; it does not answer, or too late; too many ask
at once; the hour's tokens are spent."""
MAX_QUESTION: Final = 20_000
"""Characters of one question."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question. What shoppers or sellers wrote stands in ``told`` alone, as JSON."""

    purpose: Purpose
    rules: str
    """What is to be done: ours, the same for everybody."""
    told: str
    """What it is to be done with."""
    form: Mapping[str, Any]
    """JSON schema of the answer, an object."""
    max_tokens: int = 300
    """Of the answer."""

    def __post_init__(self) -> None:
        if len(self.rules) + len(self.told) > MAX_QUESTION:
            raise BadInputError(
                f"a question of {len(self.rules) + len(self.told)} characters: expected at most "
                f"{MAX_QUESTION}, cut what is told"
            )


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call took, for who counts."""

    purpose: Purpose
    outcome: Outcome
    seconds: float
    tokens_in: int = 0
    tokens_out: int = 0


Note = Callable[[Usage], object]
"""Told of each call."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in the form that was asked for."""

    value: dict[str, Any] = field(hash=False)
    tokens_in: int = 0
    tokens_out: int = 0


class LanguageModel(Protocol):
    """Something that answers questions in a form; several threads may ask at once."""

    @property
    def name(self) -> str:
        """Say which model, and where."""

    @property
    def digest(self) -> str:
        """Digest of all that decides its answers, as far as that is known here."""

    def ask(self, question: Question) -> Reply:
        """Answer one question.

        Raises:
            BadInputError: It refuses, or answers in another form.
            UnavailableError: It does not answer in time, too many ask, or the budget is spent.
        """
