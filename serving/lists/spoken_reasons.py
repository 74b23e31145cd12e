"""Reasons of a list in a sentence, by a language model where there is one: off the path of lists.

What a sentence is made of is kept by its digest, without names and titles, so one answer serves all
shoppers. Who asks waits for new ones up to a deadline; after it templates stand, and the next who
asks has them.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from coterie.errors import BadInputError, UnavailableError
from coterie.languages.texts import Texts
from coterie.llm.question import LanguageModel
from coterie.reasons.rephrasing import (
    MOST_FACTS,
    Fact,
    Spoken,
    digest_of_forms,
    question_of,
    read_spoken,
)
from coterie.reasons.sentence_forms import Said, SentenceForm, find_form
from coterie.recommend.recommender import ReasonKind
from serving.schemas import ListedItem, Reason, Sentence
from serving.telemetry.llm_metrics import LlmMetrics, WordingOutcome

DEADLINE_S: Final = 1.0
"""For so long a list waits for sentences that nobody asked for before."""
MOST_KEPT: Final = 20_000
MOST_PENDING: Final = 64
"""Sentences that are asked for at a time; more are told by templates."""
AGAIN_S: Final = 600.0
"""After so long a sentence that the model could not say is asked for again."""
REST_S: Final = 10.0
"""How long a model that did not answer is not asked again."""
AT_ONCE: Final = 4
SPOKEN: Final = frozenset({ReasonKind.OWN, ReasonKind.FRIEND})


@dataclass(frozen=True, slots=True)
class _Kept:
    spoken: Spoken | None
    outcome: WordingOutcome
    until: float
    """On the clock; what was said well is kept."""


class SpokenReasons:
    """Sentences of one replica; to be used in its event loop."""

    def __init__(
        self,
        model: LanguageModel | None,
        metrics: LlmMetrics,
        deadline_s: float | None = None,
    ) -> None:
        """Ask nothing yet; without a model templates stand."""
        self._model, self._metrics = model, metrics
        self._deadline_s = DEADLINE_S if deadline_s is None else deadline_s
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._pending: dict[str, asyncio.Future[None]] = {}
        self._threads = ThreadPoolExecutor(AT_ONCE, "wording")
        self._rests_until = 0.0

    async def speak(
        self,
        items: Sequence[ListedItem],
        texts: Texts,
        title_of: Callable[[str], str | None],
    ) -> None:
        """Say the reasons of listed items in a sentence each.

        Args:
            items: With their reasons, as a shopper may be told them.
            texts: Of the language that they are told in.
            title_of: From an item's id to its title.
        """
        facts = [facts_of(item.reasons or (), texts, title_of) for item in items]
        language = texts.language
        keys = [self._key(one, language) for one in facts]
        waits = {}
        for key, one in zip(keys, facts, strict=True):
            if key and self._known(key) is None and (asked := self._ask(key, one, language)):
                waits[key] = asked
        if waits:
            await asyncio.wait(waits.values(), timeout=self._deadline_s)
        for item, key, one in zip(items, keys, facts, strict=True):
            kept = self._known(key) if key else None
            outcome: WordingOutcome = "no_form" if not one else "failed"
            if kept is not None:
                outcome = kept.outcome
            elif key in self._pending:
                outcome = "late"
            self._metrics.count_worded(outcome)
            item.sentence = (
                Sentence(text=kept.spoken.filled(one, language), by="model")
                if kept is not None and kept.spoken is not None
                else template_of(item)
            )

    def _key(self, facts: Sequence[Fact], language: str) -> str:
        if self._model is None or not facts:
            return ""
        return digest_of_forms(self._model, [one.form for one in facts], language)

    def _known(self, key: str) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is None or kept.until < time.monotonic():
            return None
        self._kept.move_to_end(key)
        return kept

    def _ask(self, key: str, facts: Sequence[Fact], language: str) -> asyncio.Future[None] | None:
        """Have a sentence made, once however many wait for it; None where it is not asked for."""
        if key in self._pending:
            return self._pending[key]
        rests = time.monotonic() < self._rests_until
        if self._model is None or rests or len(self._pending) >= MOST_PENDING:
            return None
        forms = [one.form for one in facts]
        asked = asyncio.ensure_future(self._asked(key, forms, language, self._model))
        self._pending[key] = asked
        return asked

    async def _asked(
        self, key: str, forms: Sequence[SentenceForm], language: str, model: LanguageModel
    ) -> None:
        loop = asyncio.get_running_loop()
        spoken, outcome = None, "failed"
        try:
            question = question_of(forms, language)
            reply = await loop.run_in_executor(self._threads, model.ask, question)
            spoken, why = read_spoken(reply.value, forms, language)
            outcome = "invented" if why else "worded"
        except BadInputError:
            """It may be asked again when the sentence is, after a time."""
        except UnavailableError:
            self._rests_until = time.monotonic() + REST_S
            return
        finally:
            del self._pending[key]
        until = float("inf") if spoken else time.monotonic() + AGAIN_S
        self._kept[key] = _Kept(spoken, outcome, until)  # type: ignore[arg-type]
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def facts_of(
    reasons: Sequence[Reason], texts: Texts, title_of: Callable[[str], str | None]
) -> list[Fact]:
    """Choose the facts of an item's sentence: its largest reasons that may be worded anew."""
    found: list[Fact] = []
    for reason in reasons:
        if reason.kind not in SPOKEN or reason.contribution <= 0 or len(found) == MOST_FACTS:
            continue
        said = Said(
            reason.text,
            reason.friend,
            reason.num_friends,
            reason.num_items,
            title_of(reason.item_id) if reason.item_id else None,
            (reason.category or "").rpartition("/")[2] or None,
        )
        form = find_form(said, texts)
        if form is not None:
            found.append(Fact(*form))
    # One order for all, so that shoppers share sentences.
    return sorted(found, key=lambda one: one.form.text)


def template_of(item: ListedItem) -> Sentence | None:
    """Say what the catalogue says: the first reason; None where there is none."""
    reasons = item.reasons or ()
    first = next((one for one in reasons if one.kind in SPOKEN and one.contribution > 0), None)
    told = first or next(iter(reasons), None)
    return Sentence(text=told.text, by="template") if told else None
