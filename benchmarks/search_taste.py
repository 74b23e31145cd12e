"""Whether the shopper's own score helps to find what they look for with two words.

Amazon Industrial: a shopper is a row's history, who looks for the item that follows with two words
of its title. ``valid.csv`` chooses the weight, as in ``benchmarks.content``: from two thirds of its
users is learned, the others ask. ``test.csv`` is looked at once.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.content_sets import Task, read_amazon
from benchmarks.search_found import reciprocal_ranks
from benchmarks.search_queries import Shelf, read_shelves
from coterie.content.sentences import SentenceEncoder
from coterie.content.words import cut_text
from coterie.models.social import SocialModel
from coterie.search.index import SearchIndex, SearchWeights
from coterie.search.meaning import VectorIndex

Floats = npt.NDArray[np.float32]
TASTE: Final = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2)
SEEDS: Final = (0, 1, 2)
WORDS: Final = 2
_LETTERS: Final = 3
_BLOCK: Final = 256


def measure_taste(data: Path) -> dict[str, Any]:
    """Choose the weight of taste on validation's rows, and look at test's."""
    encoder = SentenceEncoder()

    def encode(texts: Sequence[str]) -> Floats:
        return encoder.encode(texts).vectors

    tools = next(shelf for shelf in read_shelves(data, encode) if shelf.name == "tools")
    found = read_amazon(data / "amazon_industrial")
    validation, test = (_Rows(task, tools, encode) for task in (found.validation, found.test))
    tried = {t: validation.mrr(SearchWeights(taste=t))["mean"] for t in TASTE}
    taste = max(TASTE, key=lambda t: tried[t])
    chosen = replace(SearchWeights(), taste=taste)
    rows = {
        "words": replace(chosen, meaning=0.0, least_meaning=2.0, taste=0.0),
        "words and meaning": replace(chosen, taste=0.0),
        "words, meaning and taste": chosen,
    }
    return {
        "seeds": SEEDS,
        "weights": {"meaning": chosen.meaning, "least_meaning": chosen.least_meaning},
        "taste": taste,
        "tried": tried,
        "queries": len(test.right),
        "mrr": {name: test.mrr(weights) for name, weights in rows.items()},
    }


class _Rows:
    """Shoppers who look for what follows their histories."""

    def __init__(self, task: Task, tools: Shelf, encode: Any) -> None:
        assert task.serve is not None
        model = SocialModel()
        model.fit(replace(task.fit, validation=None))
        model.serve(task.serve)
        self._tools, self._encode = tools, encode
        self._vectors = VectorIndex(tools.vectors)
        users = np.arange(task.serve.num_users)
        self._taste = np.concatenate(
            [model.scores(users[at : at + _BLOCK]) for at in range(0, len(users), _BLOCK)]
        )
        rows = np.argsort(task.held_out.user_idx, kind="stable")
        self.right = [np.array([item]) for item in task.held_out.item_idx[rows]]
        self._parts = [self._ask(seed) for seed in SEEDS]

    def mrr(self, weights: SearchWeights) -> dict[str, float]:
        """Mean and spread over draws of queries."""
        means = [self._one(weights, *parts) for parts in self._parts]
        return {"mean": round(float(np.mean(means)), 4), "spread": round(float(np.std(means)), 4)}

    def _ask(self, seed: int) -> tuple[Floats, Floats]:
        rng = np.random.default_rng(seed)
        asked = [_two_words(self._tools.titles[int(item[0])], rng) for item in self.right]
        index = SearchIndex(self._tools.catalogue, np.ones(len(self._tools.titles), np.bool_))
        words = np.stack([index.words.scores(text) for text in asked]).astype(np.float16)
        vectors = self._encode(asked)
        meaning = np.stack([self._vectors.cosines(one) for one in vectors]).astype(np.float16)
        return words, meaning

    def _one(self, weights: SearchWeights, words: Floats, meaning: Floats) -> float:
        ranks = []
        for at in range(0, len(words), _BLOCK):
            block = slice(at, at + _BLOCK)
            held, means, taste = (
                a[block].astype(np.float32) for a in (words, meaning, self._taste)
            )
            fits = weights.fits(held, means)
            spread = (taste - taste.mean(axis=1, keepdims=True)) / taste.std(axis=1, keepdims=True)
            score = np.add(*weights.parts(held, means))
            score += weights.taste * np.clip(spread, -3.0, 3.0)
            ranks.append(reciprocal_ranks(np.where(fits, score, -np.inf), self.right[block]))
        return float(np.concatenate(ranks).mean())


def _two_words(title: str, rng: np.random.Generator) -> str:
    """Take words of a title in their order: those with letters, as far as there are enough."""
    words = [word for word, _ in cut_text(title)]
    long = [w for w in words if len(w) >= _LETTERS and w.isalpha()] or words
    at = sorted(rng.choice(len(long), min(WORDS, len(long)), replace=False))
    return " ".join(long[place] for place in at)
