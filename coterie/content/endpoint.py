"""Texts encoded elsewhere: any address that takes what OpenAI's embeddings API takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import httpx
import numpy as np

from coterie.content.encoder import EncodedBatch, Floats, digest_of, unit_rows
from coterie.content.encoders import KEY_VARIABLE
from coterie.errors import BadInputError, UnavailableError, unresolved

_PASSING: Final = (408, 409, 425, 429, 500, 502, 503, 504)
"""Answers that may be others next time."""
_MAX_ANSWER: Final = 64_000_000
"""Bytes of one answer."""
OVER_BUDGET: Final = "over the characters that one run may send: it is encoded another day"


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """An API, and how it is asked."""

    address: str
    """Up to ``/v1``: ``/embeddings`` is put behind it."""
    model: str
    prefix: str = ""
    """Put before each text."""
    batch: int = 64
    """Texts of one request."""
    max_characters: int = 50_000_000
    """Sent in one run at most, which bounds what it costs: about 12 million tokens of English."""
    timeout_s: float = 30.0
    """Of one request."""
    tries: int = 5
    """Of one request; between two are 1, 2, 4 ... seconds, or what the API asks for."""
    max_wait_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: No address or model, or a bound that lets nothing through.
        """
        if not self.address.startswith(("https://", "http://")) or not self.model:
            raise BadInputError(
                f"the API {self.address!r} with the model {self.model!r}: expected an https "
                "address (http within a cluster) and the name of a model"
            )
        url = httpx.URL(self.address)
        if url.userinfo or url.query:
            # The address is written into releases, and into what is logged.
            raise BadInputError(
                f"the address of an API at {url.host} holds more than scheme, host and path: leave "
                f"passwords out, keys come from {KEY_VARIABLE}"
            )
        if min(self.batch, self.tries, self.max_characters) < 1 or self.timeout_s <= 0:
            raise BadInputError("batch, tries, max_characters and timeout_s have to be over 0")


class EndpointEncoder:
    """Asks an API. How it makes its vectors is not known here: its model's name has to say so."""

    kind: Final = "text"

    def __init__(
        self,
        settings: EndpointSettings,
        key: str = "",
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is asked yet; ``key`` goes into the header of requests and nowhere else."""
        self._settings, self._sleep, self._sent = settings, sleep, 0
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # Redirects are not followed: the key would go along.
        self._client = httpx.Client(
            headers=headers, timeout=settings.timeout_s, transport=transport, follow_redirects=False
        )

    @property
    def name(self) -> str:
        """The model, at its host."""
        return f"{self._settings.model}@{httpx.URL(self._settings.address).host}"

    @property
    def digest(self) -> str:
        """Of address, model and prefix: the weights are not known."""
        return digest_of(
            address=self._settings.address.rstrip("/"),
            model=self._settings.model,
            prefix=self._settings.prefix,
            version=1,
        )

    @cached_property
    def width(self) -> int:
        """Asked of the API, once."""
        return int(self._ask(["a"]).shape[1])

    def encode(self, batch: Sequence[str]) -> EncodedBatch:
        """Encode texts; what is over the budget of this run is a fault.

        Raises:
            BadInputError: The API refuses, or answers something else than vectors.
            UnavailableError: It does not answer, however often it is asked.
        """
        vectors = np.zeros((len(batch), self.width), np.float32)
        told = [place for place, text in enumerate(batch) if text.strip()]
        faults: dict[int, str] = {}
        for start in range(0, len(told), self._settings.batch):
            places = told[start : start + self._settings.batch]
            texts = [self._settings.prefix + batch[place] for place in places]
            if self._sent + sum(map(len, texts)) > self._settings.max_characters:
                faults |= dict.fromkeys(places, OVER_BUDGET)
                continue
            vectors[places] = self._ask(texts)
        return EncodedBatch(unit_rows(vectors), faults)

    def _ask(self, texts: Sequence[str]) -> Floats:
        """Ask for the vectors of texts, shape (n, width)."""
        self._sent += sum(map(len, texts))
        asked = {"model": self._settings.model, "input": list(texts), "encoding_format": "float"}
        for left in reversed(range(self._settings.tries)):
            wait = 2.0 ** (self._settings.tries - 1 - left)
            try:
                url = f"{self._settings.address.rstrip('/')}/embeddings"
                answer = self._client.post(url, json=asked)
            except httpx.TransportError as error:
                why = f"{type(error).__name__}{unresolved(error)}"
            else:
                if answer.status_code == 200:
                    return self._vectors(answer, len(texts))
                why = f"status {answer.status_code}"
                # What an API says of a refused key may repeat it, so its words are left out.
                if answer.status_code not in _PASSING:
                    raise BadInputError(f"{self.name} refuses: {why}; are key and model right?")
                wait = _asked_wait(answer, wait)
            if left:
                self._sleep(min(wait, self._settings.max_wait_s))
        raise UnavailableError(f"{self.name} does not answer after {self._settings.tries}: {why}")

    def _vectors(self, answer: httpx.Response, count: int) -> Floats:
        try:
            if len(answer.content) > _MAX_ANSWER:
                raise ValueError(f"{len(answer.content)} bytes")
            rows: list[Any] = sorted(answer.json()["data"], key=lambda row: int(row["index"]))
            if [int(row["index"]) for row in rows] != list(range(count)):
                raise ValueError(f"{len(rows)} vectors of {count} texts")
            found = np.array([row["embedding"] for row in rows], np.float32)
            if found.ndim != 2 or not found.shape[1] or not np.isfinite(found).all():
                raise ValueError("vectors of no one width, or of numbers that are none")
        except (ValueError, KeyError, TypeError) as error:
            raise BadInputError(f"{self.name} answers no vectors: {error!r}") from error
        return found


def _asked_wait(answer: httpx.Response, otherwise: float) -> float:
    """Read how many seconds an API asks to wait."""
    try:
        return max(float(answer.headers.get("Retry-After", otherwise)), 0.0)
    except ValueError:
        return otherwise
