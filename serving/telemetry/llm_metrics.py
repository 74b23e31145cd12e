"""Counts and times of what a language model is asked; of what it says, nothing."""

from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry

from coterie import metric_names
from coterie.llm.question import OUTCOMES, PURPOSES, Usage
from serving.telemetry.series import Counter, Histogram

WordingOutcome = Literal["worded", "invented", "late", "failed", "no_form"]
WORDING_OUTCOMES: Final[tuple[WordingOutcome, ...]] = get_args(WordingOutcome)
"""In the model's words; it said what no fact says; it did not answer in time; it could not be
asked, or did not answer in the form; the reasons are none that may be worded anew. But for the
first, the template was shown."""
ReadBy = Literal["model", "search"]
READ_BY: Final[tuple[ReadBy, ...]] = get_args(ReadBy)
CALL_BUCKETS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_DIRECTIONS: Final = ("asked", "answered")


class LlmMetrics:
    """What a replica asks a language model, and what became of it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            metric_names.LLM_CALLS,
            "Calls of the language model, by what it was asked for and what became of it.",
            ("purpose", "outcome"),
            registry=registry,
        )
        self._tokens = Counter(
            metric_names.LLM_TOKENS,
            "Tokens of questions and of answers.",
            ("purpose", "direction"),
            registry=registry,
        )
        self._seconds = Histogram(
            metric_names.LLM_CALL_DURATION,
            "From a question to its answer, waiting for a turn included.",
            ("purpose",),
            buckets=CALL_BUCKETS,
            registry=registry,
        )
        self._worded = Counter(
            metric_names.WORDED_REASONS,
            "Listed items whose reasons were to be worded by the model, by what became of it.",
            ("outcome",),
            registry=registry,
        )
        self._asked = Counter(
            metric_names.ASKED,
            "Questions of shoppers, by who read them.",
            ("read_by",),
            registry=registry,
        )
        for purpose in PURPOSES:
            for outcome in OUTCOMES:
                self._calls.labels(purpose, outcome)
            for direction in _DIRECTIONS:
                self._tokens.labels(purpose, direction)
        for worded in WORDING_OUTCOMES:
            self._worded.labels(worded)
        for read_by in READ_BY:
            self._asked.labels(read_by)

    def note(self, usage: Usage) -> None:
        """Count one call."""
        self._calls.labels(usage.purpose, usage.outcome).inc()
        self._seconds.labels(usage.purpose).observe(usage.seconds)
        for direction, tokens in zip(_DIRECTIONS, (usage.tokens_in, usage.tokens_out), strict=True):
            self._tokens.labels(usage.purpose, direction).inc(tokens)

    def count_worded(self, outcome: WordingOutcome) -> None:
        """Count one listed item that was to be worded."""
        self._worded.labels(outcome).inc()

    def count_asked(self, read_by: ReadBy) -> None:
        """Count one question."""
        self._asked.labels(read_by).inc()
