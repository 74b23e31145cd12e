"""What a replica does with a language model: the model, sentences of reasons, questions read."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from coterie.errors import CoterieError, UnavailableError
from coterie.llm.models import open_model, read_key
from coterie.llm.question import LanguageModel
from coterie.llm.wishes import Wish, question_of_wish, read_wish
from serving.lists.spoken_reasons import REST_S, SpokenReasons
from serving.settings import Settings
from serving.telemetry.llm_metrics import LlmMetrics
from serving.telemetry.logs import LOGGER

AT_ONCE: Final = 4
MOST_READ: Final = 16
"""Questions that are being read at a time; more are answered by search."""
log: Final = logging.getLogger(LOGGER)


class WishReader:
    """Reads shoppers' questions by a model; to be used in a replica's event loop."""

    def __init__(self, model: LanguageModel | None) -> None:
        """Ask nothing yet."""
        self._model, self._reading, self._rests_until = model, 0, 0.0
        self._threads = ThreadPoolExecutor(AT_ONCE, "wishes")

    @property
    def reads(self) -> bool:
        """Whether there is a model that is asked now."""
        rests = time.monotonic() < self._rests_until
        return self._model is not None and not rests and self._reading < MOST_READ

    async def read(
        self, question: str, categories: list[str], attributes: bool = False
    ) -> Wish | None:
        """Read a question; None where no model does: none is there, or it fails.

        Args:
            question: As the shopper wrote it.
            categories: Paths that may be meant.
            attributes: Whether the shop knows attributes of its items.
        """
        if self._model is None or not self.reads:
            return None
        self._reading += 1
        try:
            asked = question_of_wish(question, categories, attributes)
            loop = asyncio.get_running_loop()
            reply = await loop.run_in_executor(self._threads, self._model.ask, asked)
            return read_wish(reply.value, question, categories)
        except CoterieError as error:
            if isinstance(error, UnavailableError):
                self._rests_until = time.monotonic() + REST_S
            # Not the error's text: it may repeat what was asked.
            fields = {"error": type(error).__name__, "model": self._model.name}
            log.warning("a question was not read: search answers", extra={"fields": fields})
            return None
        finally:
            self._reading -= 1


@dataclass(frozen=True, slots=True)
class LanguageParts:
    """What a language model is used for: ``app.state.language``."""

    reasons: SpokenReasons
    wishes: WishReader

    @classmethod
    def of(cls, settings: Settings, metrics: LlmMetrics) -> "LanguageParts":
        """Open the model that settings name, if any.

        Raises:
            BadInputError: There is no such model, or its key cannot be read.
        """
        model = open_model(
            settings.llm,
            settings.llm_model,
            read_key(settings.llm_key, settings.llm_key_file),
            metrics.note,
            settings.llm_timeout_s,
            settings.llm_tokens_per_hour,
        )
        return cls(SpokenReasons(model, metrics), WishReader(model))
