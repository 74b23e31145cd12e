"""Whether what the network says of ties, or of newcomers, makes ``social`` better, on validation.

    python -m benchmarks.network_strengths --data DIR --sets lastfm lastfm_by_time ciao simulated

*Ties*: ``social`` reads influence, walks, node2vec or communities as the weight of each tie
(``coterie.network.tie_signals``), from which it learns how much each friend counts. Its learned
half alone, small (64 numbers an item, 8 epochs), which is the half that reads strengths; three
seeds each, NDCG@20 averaged over them for each shopper, change and p by a paired test against the
ties as given. *Newcomers*: people whom the model never saw, of whom 0, 1 or 3 items are known: what
their community had is added to their scores (beside what everybody had, added in the same way), or
the five people nearest by node2vec to their friends. The same model with the closed form. How much
of it is chosen by one draw of newcomers and judged by two others. Nothing looks
at test. Writes ``strengths`` of ``benchmarks/results/network.json``.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy import prepare
from benchmarks.network import RESULTS, keep
from coterie.data.dataset import Dataset, Interactions, Ints, Ties, TrainingSet
from coterie.data.load import load_dataset
from coterie.data.splits import choose
from coterie.errors import BadInputError
from coterie.evaluation.newcomers import REVEALED, Newcomers
from coterie.evaluation.protocols import evaluate_model
from coterie.evaluation.significance import paired_test
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.network.communities import find_communities
from coterie.network.node2vec import embed
from coterie.network.partitions import CommunityMethod
from coterie.network.people import Network
from coterie.network.study import top_categories
from coterie.network.tie_signals import TieSignal, weigh_ties
from coterie.training.loop import LoopConfig

METRIC: Final = "ndcg@20"
SEEDS: Final = (0, 1, 2)
SHARES: Final = (0.1, 0.3, 1.0, 3.0)
"""Of what a community, or everybody, had, beside a newcomer's scores, each in its own spread."""
NEWCOMERS: Final = ("as given", "popularity", "community", "nearest")
LINEAR: Final = 0.3
"""Share of the closed form where newcomers are judged: whole, as a release scores."""
NEAREST: Final = 5
SIMULATED: Final = "simulated"
Doubles = npt.NDArray[np.float64]


def small(seed: int, linear: float = 0.0) -> SocialConfig:
    """Make the settings of every fit here; nothing in them is chosen on what judges them."""
    loop = LoopConfig(max_epochs=8, lr=5e-3, weight_decay=1e-4, ema_decay=0.99, seed=seed)
    return SocialConfig(embedding_size=64, linear_weight=linear, popularity_weight=1.0, loop=loop)


def fitted(data: TrainingSet, seed: int, linear: float = 0.0) -> SocialModel:
    """Fit one small model, in this process."""
    model = SocialModel(small(seed, linear))
    model.fit(data)
    return model


def of_ties(dataset: Dataset) -> dict[str, Any]:
    """Fit with each way of weighing ties, three seeds each, and judge on validation."""
    split = choose(dataset)
    data = replace(split.for_validation(), validation=None)
    category = top_categories(dataset)
    found: dict[str, Any] = {}
    base: Doubles | None = None
    for way in ("as given", *TieSignal):
        try:
            known = replace(data, ties=_ties_of(data, way, category))
        except BadInputError as error:
            found[str(way)] = {"left_out": str(error)}
            continue
        values = np.mean([_judged(known, split.val, seed) for seed in SEEDS], axis=0)
        base = values if base is None else base
        found[str(way)] = _against(values, base)
        _say(f"{split.name} {way}: {found[str(way)]}")
    return {"split": split.name, "shoppers": len(values), "ways": found}


def _ties_of(data: TrainingSet, way: str, category: Ints) -> Ties:
    return weigh_ties(data, way, category) if isinstance(way, TieSignal) else data.ties


def _judged(data: TrainingSet, held_out: Interactions, seed: int) -> Doubles:
    model = fitted(data, seed)
    return evaluate_model(model, data, held_out, ks=(20,)).metrics[METRIC]


def _against(values: Doubles, base: Doubles) -> dict[str, Any]:
    test = paired_test(values, base)
    relative = test.relative
    return {
        METRIC: round(float(values.mean()), 5),
        "change": None if relative is None else [_short(v) for v in astuple(relative)[:3]],
        "p": round(test.p_value, 4),
    }


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


class WithCommunity:
    """A model's scores, and beside them how much of each item somebody's community had."""

    def __init__(self, model: SocialModel, data: TrainingSet, label: Ints) -> None:
        self._model, self._label = model, label
        count = np.zeros((int(label.max()) + 1, data.num_items))
        np.add.at(count, (label[data.interactions.user_idx], data.interactions.item_idx), 1.0)
        self._had = np.log1p(count)
        self.share = 0.0

    def scores(self, user_idx: Ints) -> npt.NDArray[np.float32]:
        """See ``base.Model``."""
        own = _spread(self._model.scores(user_idx).astype(np.float64))
        had = _spread(self._had[self._label[user_idx]])
        return np.asarray(own + self.share * had, np.float32)


def _spread(scores: Doubles) -> Doubles:
    """Bring each row to mean 0 and deviation 1."""
    spread = np.maximum(scores.std(axis=1, keepdims=True), 1e-9)
    return np.asarray((scores - scores.mean(axis=1, keepdims=True)) / spread)


class Plain:
    """A model's scores, as ``WithCommunity`` gives them with a share of 0."""

    def __init__(self, model: SocialModel) -> None:
        self.scores = model.scores


def near_people(data: TrainingSet, network: Network, users: Ints) -> Ties:
    """Add to the ties of some people those whom node2vec has nearest to them."""
    vector = embed(network).astype(np.float64)
    vector /= np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), 1e-12)
    cosine = vector[users] @ vector.T
    cosine[np.arange(len(users)), users] = -1.0
    own, ties = np.isin(data.ties.src_idx, users), data.ties
    row = np.searchsorted(users, ties.src_idx[own])
    cosine[row, ties.dst_idx[own]] = -1.0
    near = np.argsort(-np.round(cosine, 6), axis=1, kind="stable")[:, :NEAREST]
    there = np.take_along_axis(cosine, near, axis=1) > 0
    src, dst = np.repeat(users, there.sum(axis=1)), near[there]
    return Ties(
        np.concatenate([ties.src_idx, src]),
        np.concatenate([ties.dst_idx, dst]),
        np.concatenate([ties.kind, np.zeros(len(src), np.int8)]),
        np.concatenate([ties.weight, np.full(len(src), 0.1, np.float32)]),
        np.concatenate([ties.since_ms, np.zeros(len(src), np.int64)]),
    )


def of_newcomers(dataset: Dataset) -> dict[str, Any]:
    """Try communities and vectors as features of people whom the model never saw."""
    split = choose(dataset)
    data = replace(split.for_validation(), validation=None)
    network = Network.of(data.ties, data.num_users)
    label = find_communities(network, 1.0, 1, method=CommunityMethod.LEIDEN).label
    values: dict[str, list[Doubles]] = {}
    shares: dict[int, dict[str, float]] = {}
    for draw in SEEDS:
        newcomers = Newcomers.choose(data, split.val, seed=draw)
        if newcomers is None:
            return {}
        model = fitted(newcomers.without, 0, LINEAR)
        for known in REVEALED:
            ways = dict(_of_draw(newcomers, model, known, network, label))
            if draw == SEEDS[0]:
                shares[known] = {way: _best_share(ways, way) for way in ("popularity", "community")}
                continue
            for name in NEWCOMERS:
                share = shares[known].get(name)
                of = ways[name if share is None else f"{name} {share:g}"]
                values.setdefault(f"{known} {name}", []).append(of)
    found: dict[str, Any] = {}
    for known in REVEALED:
        of_ways = {name: np.concatenate(values[f"{known} {name}"]) for name in NEWCOMERS}
        told: dict[str, Any] = {"shares": shares[known], "people": len(of_ways["as given"])}
        told |= {name: _against(of, of_ways["as given"]) for name, of in of_ways.items()}
        told["community against popularity"] = _against(of_ways["community"], of_ways["popularity"])
        found[str(known)] = told
        _say(f"{split.name} newcomers, {known} items: {told}")
    return found


def _best_share(ways: dict[str, Doubles], way: str) -> float:
    return max(SHARES, key=lambda share: float(ways[f"{way} {share:g}"].mean()))


def _of_draw(
    newcomers: Newcomers, model: SocialModel, known: int, network: Network, label: Ints
) -> Iterator[tuple[str, Doubles]]:
    """Judge one draw of newcomers each way, NDCG@20 of each person."""
    data = newcomers.knowing(known)
    model.serve(data)
    yield "as given", newcomers.evaluate(Plain(model), known, (20,)).metrics[METRIC]
    for way, of in (("popularity", np.zeros_like(label)), ("community", label)):
        added = WithCommunity(model, newcomers.without, of)
        for share in SHARES:
            added.share = share
            yield f"{way} {share:g}", newcomers.evaluate(added, known, (20,)).metrics[METRIC]
    people = np.unique(newcomers.held_out.user_idx)
    model.serve(replace(data, ties=near_people(data, network, people)))
    yield "nearest", newcomers.evaluate(Plain(model), known, (20,)).metrics[METRIC]


PARTS: Final = {"ties": of_ties, "newcomers": of_newcomers}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _clean(name: str, data: Path, folder: Path) -> str:
    """Prepare one set, or simulate one; the folder of its clean tables."""
    if name != SIMULATED:
        prepare(data, folder, [name])
        return str(folder / name / "clean")
    from coterie.data.ingest import ingest
    from coterie.data.simulate import ShopConfig, simulate

    simulate(ShopConfig(influence=0.3, seed=7, unused=0.0)).write(str(folder / "raw"))
    ingest(str(folder / "raw"), str(folder / "clean"))
    return str(folder / "clean")


def main() -> None:
    """Measure the sets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--sets", nargs="+", default=["lastfm", "lastfm_by_time", "ciao", SIMULATED]
    )
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    options = parser.parse_args()
    for name in options.sets:
        kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        found = kept.get("strengths", {})
        with tempfile.TemporaryDirectory() as folder:
            dataset = load_dataset(_clean(name, options.data, Path(folder)))
            for part in options.parts:
                found.setdefault(name, {})[part] = PARTS[part](dataset)
                keep("strengths", found)


if __name__ == "__main__":
    main()
