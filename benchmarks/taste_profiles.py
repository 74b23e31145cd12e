"""A taste in words as a feature, as RLMRec has it: does the vector of a shopper's profile gain?

    python -m benchmarks.taste_profiles --data DIR

LastFM, in the protocol of docs/accuracy.md, over a third of the shoppers: another one with each
seed, which draws another tenth as validation as well. A profile is written by a template, from what
its shopper had in training alone: its most frequent tags, and artists that have most of them. The
default encoder makes a vector of it, whose cosine with an artist's text is a term beside EASE. Next
to it stands what needs no words: the mean vector of the artists that the shopper had.
What terms count is found on validation with every other shopper, one term after the other, and
judged on the shoppers between; test is looked at once a row and seed. A seed's figures replace its
own in ``benchmarks/results/taste_profiles.json``. Small, since two busy cores did all of it.
"""

import argparse
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.content_sets import Task, read_lastfm
from coterie.content.sentences import SentenceEncoder
from coterie.data.dataset import Ints
from coterie.data.hidden import hidden_pairs
from coterie.files import write_atomically
from coterie.models.ease import EASE, EASEConfig
from coterie.models.engagement import engagement

RESULTS: Final = Path(__file__).parent / "results" / "taste_profiles.json"
STEPS: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""What a term may count, in units of the base's spread."""
TAGS: Final = 10
ARTISTS: Final = 12
LONGEST: Final = 120
"""Characters of an artist's text that are encoded."""
BASE: Final = EASEConfig(l2=200.0)
PART: Final = 3
"""Of so many shoppers one is asked for."""
K: Final = 20
SEEDS: Final = (0, 1, 2)
EVERYONE: Final = slice(None)
CHOOSE: Final = slice(0, None, 2)
JUDGE: Final = slice(1, None, 2)
Floats = npt.NDArray[np.float32]
Scores = Callable[[Ints], Floats]


class Asked:
    """Whom a task asks for, with scores of a base and of the terms beside it, each made once."""

    def __init__(self, task: Task, base: Scores, terms: Mapping[str, Scores], users: Ints) -> None:
        """Score all items for some who have a target."""
        n, fit = task.fit.num_items, task.fit
        self._users = users
        self.base = torch.from_numpy(np.asarray(base(self._users), np.float32))
        self.base /= self.base.std()
        self.terms = {k: torch.from_numpy(term(self._users)) for k, term in terms.items()}
        hidden = hidden_pairs(fit.interactions, n, fit.again)
        wanted = np.unique(task.held_out.user_idx * n + task.held_out.item_idx)
        self._targets = torch.zeros(self.base.shape, dtype=torch.bool)
        self._targets[self._places(np.setdiff1d(wanted, hidden), n)] = True
        self.base[self._places(hidden, n)] = -torch.inf
        self._counts = self._targets.sum(1).numpy()
        self._gains = 1.0 / np.log2(np.arange(2, K + 2))

    def _places(self, pairs: Ints, num_items: int) -> tuple[Ints, Ints]:
        """Find rows and columns of pairs of those who are asked for."""
        mine = pairs[np.isin(pairs // num_items, self._users)]
        return np.searchsorted(self._users, mine // num_items), mine % num_items

    def ndcg(self, weights: Mapping[str, float], users: slice = EVERYONE) -> float:
        """Measure lists of the base and of terms that count so much; no target, no list."""
        total = self.base[users].clone()
        for name, weight in weights.items():
            if weight:
                total += weight * self.terms[name][users]
        hit = self._targets[users].gather(1, total.topk(K, 1).indices).numpy()
        counts = self._counts[users]
        asked = counts > 0
        best = np.cumsum(self._gains)[np.minimum(counts[asked], K) - 1]
        return float(((hit[asked] * self._gains).sum(1) / best).mean())


def measure(data: Path, seed: int) -> dict[str, Any]:
    """Weigh terms on validation, and look at test."""
    encoder = SentenceEncoder()
    said: list[str] = []

    def keep(texts: Sequence[str]) -> Floats:
        said.extend(texts)
        return np.zeros((len(texts), 1), np.float32)

    found = read_lastfm(data / "lastfm", keep, seed)
    vectors = of_length_1(encoder.encode([text[:LONGEST] for text in said]).vectors)
    items = found.validation.fit.items
    assert items is not None
    names = items["title"].to_pylist()
    tags = [[*filter(None, one.split(" , "))] for one in items["tags"].to_pylist()]
    rows: dict[str, Any] = {row: {} for row in ROWS}
    for look, task in (("validation", found.validation), ("test", found.test)):
        model = EASE(BASE)
        model.fit(task.fit)
        users = np.unique(task.held_out.user_idx)[seed % PART :: PART]
        had = engagement(task.fit)[users]
        own = [profile_of(one.indices.tolist(), names, tags) for one in had]
        terms = {
            "mean": _term(of_length_1(had @ vectors), vectors, users),
            "profile": _term(of_length_1(encoder.encode(own).vectors), vectors, users),
        }
        asked = Asked(task, model.scores, terms, users)
        for row, one in rows.items():
            if look == "validation":
                one["weights"] = _weigh(asked, ROWS[row])
            one[look] = round(asked.ndcg(one["weights"], JUDGE if look != "test" else EVERYONE), 5)
            print(seed, row, look, one, flush=True)
    return {"rows": rows, "profiles, for example": own[:2]}


ROWS: Final[dict[str, tuple[str, ...]]] = {
    "EASE": (),
    "and own artists' mean vector": ("mean",),
    "and own profile's vector": ("profile",),
    "and both": ("mean", "profile"),
}


def _term(own: Floats, vectors: Floats, users: Ints) -> Scores:
    cosines = own @ vectors.T
    # Around each artist's mean: else what is near to everybody is near to everyone.
    cosines -= cosines.mean(axis=0)
    cosines /= max(float(cosines.std()), 1e-9)
    return lambda rows: cosines[np.searchsorted(users, rows)]


def _weigh(of: Asked, some: Sequence[str]) -> dict[str, float]:
    """Find what each term counts, one after the other, twice."""
    chosen = dict.fromkeys(some, 0.0)
    best = of.ndcg(chosen, CHOOSE)
    for name in [*some, *some] if len(some) > 1 else some:
        for step in STEPS:
            reached = of.ndcg(chosen | {name: step}, CHOOSE)
            if reached > best + 1e-5:
                best, chosen = reached, chosen | {name: step}
    return chosen


def profile_of(items: Sequence[int], names: Sequence[str], tags: Sequence[Sequence[str]]) -> str:
    """Say a shopper's most frequent tags, and artists that have most of them."""
    counts = Counter(tag for item in items for tag in set(tags[item]))
    often = [tag for tag, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:TAGS]]
    most = sorted(items, key=lambda item: (-len({*tags[item]} & {*often}), item))[:ARTISTS]
    return f"Likes {', '.join(often)}. Listens to {', '.join(names[item] for item in most)}."


def of_length_1(vectors: Any) -> Floats:
    """Scale rows to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write each seed's results."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for seed in asked.seeds:
        began = time.process_time()
        found = measure(asked.data, seed)
        found["cpu_seconds"] = round(time.process_time() - began)
        results |= {
            "k": K,
            "machine": f"{platform.machine()}, one thread",
            "versions": {n: version(n) for n in ("torch", "numpy", "scipy")},
            "command": "python -m benchmarks.taste_profiles --data DIR",
        }
        results.setdefault("seeds", {})[str(seed)] = found
        write_atomically(RESULTS, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
