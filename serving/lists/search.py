"""One release's items, searched by words, meaning and taste, and compared by words and looks."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.content.encoder import ContentEncoder
from coterie.content.texts import item_texts
from coterie.errors import BadInputError, CoterieError
from coterie.recommend.columns import Mask
from coterie.release.bundle import Release
from coterie.release.described import texts_of
from coterie.schema import RELEASED_ITEMS
from coterie.search.index import Found, SearchIndex, nearest
from coterie.search.meaning import VectorIndex
from serving.schemas import Item
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ServingMetrics

By = Literal["taste", "words", "looks"]
"""In what items are alike: who likes them, what is said of them, how they look."""
Rows = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
REST_S: Final = 10.0
"""How long an encoder that did not answer is not asked again: meanwhile words alone answer."""
AT_ONCE: Final = 32
"""Texts of items that an encoder is given together."""
SAID: Final = ("title", "brand", "category", "description")
"""What items say of themselves that is searched."""
log: Final = logging.getLogger(LOGGER)


class ItemSearch:
    """The indices of one release, as items change; several threads may ask at once."""

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
        self._looks = _indexed(release, "image")
        texts = _indexed(release, "text", self._looks)
        self._index = SearchIndex(_words_of(release), release.available, texts)
        self._asked, self._rests_until = threading.Lock(), 0.0
        self._num_released = release.catalogue.num_rows
        self._indexing, self._hearing = threading.Lock(), threading.Lock()
        # What was heard and is not in the index yet. The next search reads words; what encodes
        # takes too long for that.
        self._unread: dict[int, Item] = {}
        self._unencoded: dict[int, Item] = {}

    def hear(self, items: Mapping[int, Item], vectors: Vectors | None = None) -> None:
        """Take in what items say of themselves from now on: the next search knows their words.

        Args:
            items: By row.
            vectors: Of what they say, in this order, where ``encode`` made them already.
        """
        with self._hearing:
            self._unread |= items
            if vectors is None and self._encoder is not None and self._index.knows_meaning:
                self._unencoded |= items
        if vectors is not None:
            with self._indexing:
                self._index = self._index.changed(meant=list(items), vectors=vectors)

    @property
    def waits_for_encoder(self) -> bool:
        """Whether there are items of which words are searched, and not yet what they mean."""
        return bool(self._unencoded)

    def encode_heard(self) -> None:
        """Let searches know what these mean; in a thread of its own, since it takes long.

        Where the encoder does not answer, words alone are searched until this is called again.
        """
        with self._hearing:
            taken = dict(self._unencoded)
        vectors = self.encode([said_of(item) for item in taken.values()]) if taken else None
        if vectors is None:
            return
        with self._hearing:
            # What says something else by now waits for the next time.
            current = [self._unencoded.get(row) is item for row, item in taken.items()]
            rows = [row for row, yes in zip(taken, current, strict=True) if yes]
            for row in rows:
                del self._unencoded[row]
        with self._indexing:
            self._index = self._index.changed(meant=rows, vectors=vectors[current])

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Vectors | None:
        """Encode what items say, as the content step does, shape (rows, width).

        Args:
            rows: Of a catalogue.

        Returns:
            None where nothing encodes, or it does not answer.
        """
        texts = item_texts(pa.Table.from_pylist(list(map(dict, rows)), RELEASED_ITEMS))
        parts = []
        for start in range(0, len(texts), AT_ONCE):
            part, _ = self._vectors(texts[start : start + AT_ONCE])
            if part is None:
                return None
            parts.append(part)
        return np.concatenate(parts) if parts else None

    def index(self) -> SearchIndex:
        """Give the index with all words that were heard until now; each is read once."""
        with self._indexing:
            with self._hearing:
                heard, self._unread = self._unread, {}
            if heard:
                texts = pa.Table.from_pylist(list(map(said_of, heard.values())), RELEASED_ITEMS)
                self._index = self._index.changed(list(heard), texts)
            return self._index

    @property
    def knows_looks(self) -> bool:
        """Whether the release says how its items look."""
        return self._looks is not None

    def meanings(self, vector: npt.ArrayLike) -> Vectors | None:
        """Tell how much each item of the release means what a vector does, shape (items,); None:
        nothing tells."""
        found = self._index.meanings(vector)
        return None if found is None else found[: self._num_released]

    def find(
        self,
        query: str,
        k: int,
        taste: npt.ArrayLike | None,
        allowed: Mask,
        words_alone: bool = False,
    ) -> tuple[Found, bool]:
        """Find the k items that fit a query best.

        Args:
            query: Of a shopper: never to be logged.
            k: How many at most.
            taste: The shopper's scores of all items; None: of a stranger.
            allowed: Items that may be found, shape (items,).
            words_alone: Whether no encoder is to be asked.

        Returns:
            What fits, and whether the query's meaning had to be left out: its encoder, which there
            is, did not answer.
        """
        vector, left_out = (None, False) if words_alone else self._encoded(query)
        with self._metrics.search.timed("find"):
            return self.index().search(query, k, vector, taste, allowed), left_out

    def alike_in_words(
        self, row: int, text: str, k: int, allowed: Mask
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        """Find the k items that say most alike of themselves, with how alike: 0 to 1."""
        return self.index().like(row, text, k, allowed)

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
        if row >= self._num_released:  # nobody looked at it yet
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        return nearest(self._looks.like(row), row, allowed[: self._num_released], k)

    def _encoded(self, query: str) -> tuple[Vectors | None, bool]:
        if not query.strip():
            return None, False
        vectors, left_out = self._vectors([query])
        return None if vectors is None else vectors[0], left_out

    def _vectors(self, texts: Sequence[str]) -> tuple[Vectors | None, bool]:
        """Encode texts: their vectors, and whether there is an encoder that did not answer."""
        if self._encoder is None:
            return None, False
        with self._asked:
            if time.monotonic() < self._rests_until:
                return None, True
        try:
            with self._metrics.search.timed("encode"):
                return self._encoder.encode(texts).vectors, False
        except CoterieError as error:
            # Not the error's text: it may repeat what was asked.
            log.warning(
                "a text was not encoded: words alone answer",
                extra={"fields": {"error": type(error).__name__, "encoder": self._encoder.name}},
            )
            with self._asked:
                self._rests_until = time.monotonic() + REST_S
            return None, True


def said_of(item: Item) -> dict[str, Any]:
    """Give what an item says of itself, by column of the catalogue."""
    return {name: getattr(item, name) for name in SAID}


def _words_of(release: Release) -> pa.Table:
    """Give the catalogue with what a language model said of its items, if one did."""
    described = texts_of(release.described, release.catalogue.num_rows)
    if described is None:
        return release.catalogue
    return release.catalogue.append_column("described", described)


def _indexed(
    release: Release, kind: str, pictures: VectorIndex | None = None
) -> VectorIndex | None:
    """Index the vectors of a kind; None where fewer than two items have one."""
    vectors = release.vectors.get(kind)
    if vectors is None or np.count_nonzero(np.any(vectors, axis=1)) < 2:
        return None
    return VectorIndex(vectors, pictures=pictures)
