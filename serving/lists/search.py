"""One release's items, searched by words, meaning and taste, and compared by words and looks."""

import logging
import threading
import time
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from coterie.content.encoder import ContentEncoder
from coterie.errors import BadInputError, CoterieError
from coterie.recommend.columns import Mask
from coterie.release.bundle import Release
from coterie.search.index import Found, SearchIndex, nearest
from coterie.search.meaning import VectorIndex
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ServingMetrics

By = Literal["taste", "words", "looks"]
"""In what items are alike: who likes them, what is said of them, how they look."""
Rows = npt.NDArray[np.int64]
REST_S: Final = 10.0
"""How long an encoder that did not answer is not asked again: meanwhile words alone answer."""
log: Final = logging.getLogger(LOGGER)


class ItemSearch:
    """The indices of one release; several threads may ask at once."""

    def __init__(
        self, release: Release, encoder: ContentEncoder | None, metrics: ServingMetrics
    ) -> None:
        """Index a release's items.

        Args:
            release: With vectors of texts and pictures, if it has any.
            encoder: What made its vectors of texts, for queries; None: words alone are searched.
            metrics: Where stages are timed.
        """
        self._encoder, self._metrics = encoder, metrics
        texts = _indexed(release, "text", release.vectors.get("image"))
        self._index = SearchIndex(release.catalogue, release.available, texts)
        self._looks = _indexed(release, "image")
        self._asked, self._rests_until = threading.Lock(), 0.0

    @property
    def num_items(self) -> int:
        """Items that are indexed: those of the release, and none that is newer."""
        return self._index.words.num_items

    @property
    def knows_looks(self) -> bool:
        """Whether the release says how its items look."""
        return self._looks is not None

    def meanings(self, text: str) -> npt.NDArray[np.float32] | None:
        """Tell how much each item says what a text says, shape (items,); None: nothing tells."""
        vector, _ = self._encoded(text)
        return None if vector is None else self._index.meanings(vector)

    def find(
        self, query: str, k: int, taste: npt.ArrayLike | None, allowed: Mask
    ) -> tuple[Found, bool]:
        """Find the k items that fit a query best.

        Args:
            query: Of a shopper: never to be logged.
            k: How many at most.
            taste: The shopper's scores of all items; None: of a stranger.
            allowed: Items that may be found, shape (items,); those that are not indexed are not.

        Returns:
            What fits, and whether the query's meaning had to be left out: its encoder, which there
            is, did not answer.
        """
        vector, left_out = self._encoded(query)
        if taste is not None:
            taste = np.asarray(taste)[: self.num_items]
        with self._metrics.search.timed("find"):
            indexed = allowed[: self.num_items]
            return self._index.search(query, k, vector, taste, indexed), left_out

    def alike_in_words(
        self, row: int, text: str, k: int, allowed: Mask
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        """Find the k items that say most alike of themselves, with how alike: 0 to 1."""
        return self._index.like(row, text, k, allowed[: self.num_items])

    def alike_in_looks(
        self, row: int, k: int, allowed: Mask
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        """Find the k items that look most alike, with their cosines; none like one without a
        picture.

        Raises:
            BadInputError: The release does not know how items look.
        """
        if self._looks is None:
            raise BadInputError("this release has no vectors of pictures: encode the catalogue's")
        if row >= self.num_items:  # nobody looked at it yet
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        return nearest(self._looks.like(row), row, allowed[: self.num_items], k)

    def _encoded(self, query: str) -> tuple[npt.NDArray[np.float32] | None, bool]:
        if self._encoder is None or not query.strip():
            return None, False
        with self._asked:
            if time.monotonic() < self._rests_until:
                return None, True
        try:
            with self._metrics.search.timed("encode"):
                return self._encoder.encode([query]).vectors[0], False
        except CoterieError as error:
            # Not the error's text: it may repeat what was asked.
            log.warning(
                "a query was not encoded: words alone answer",
                extra={"fields": {"error": type(error).__name__, "encoder": self._encoder.name}},
            )
            with self._asked:
                self._rests_until = time.monotonic() + REST_S
            return None, True


def _indexed(
    release: Release, kind: str, pictures: npt.ArrayLike | None = None
) -> VectorIndex | None:
    """Index the vectors of a kind; None where fewer than two items have one."""
    vectors = release.vectors.get(kind)
    if vectors is None or np.count_nonzero(np.any(vectors, axis=1)) < 2:
        return None
    return VectorIndex(vectors, pictures=pictures)
