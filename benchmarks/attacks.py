"""How many fake accounts and ties lift an item into how many lists, and what a defence costs.

    python -m benchmarks.attacks --data DIR --sets shop lastfm

``shop`` is a simulated one of 1,200 shoppers. For each attack an item that one to three shoppers
had is pushed (``mid``: one that more had than seven in ten of all items, but not eight); accounts
have it, and fillers by
``coterie.attacks.profiles`` or a small GAN's (``attacks_gan``), act within the last week, and each
befriends shoppers who accept. Models are fitted anew with the fakes among the shoppers (small ones,
see ``SETTINGS``), three seeds of item, fakes and model each. What is told is the share of true
shoppers, of those who did not have the item, in whose 20 items it stands. ``found`` is the same
once the suspects of ``coterie.attacks.detector`` count for nobody; other defences are those of
``attacks_defences``. The cost is NDCG@20 of the shop without fakes. An attacker who knows the
detector (``ADAPTIVE``) copies shoppers, spreads over time, has few friends and makes a ring.
``live`` is a model fitted before the attack, fed with it; ``one friend`` gives shoppers one or
three friends each, who have the item alone or fillers beside it, to such a model.
Results are written to ``benchmarks/results/attacks.json``, cell by cell; a cell with fewer seeds
than asked for gets those that it lacks.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.attacks_defences import DEFENCES, TRIED
from benchmarks.attacks_gan import ProfileGAN
from coterie.attacks.detector import find_suspects
from coterie.attacks.fakes import FakeTies, FakeTimes, add_fakes, without_accounts
from coterie.attacks.profiles import FILLERS, Shop, make_profiles
from coterie.data.dataset import Ints, Split, TrainingSet
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.public import convert
from coterie.data.simulate import ShopConfig, simulate
from coterie.data.splits import choose
from coterie.evaluation.protocols import evaluate_model
from coterie.files import write_atomically
from coterie.fitting.fit import fit
from coterie.models import MODELS
from coterie.models.engagement import engagement
from coterie.workflow.settings import change

RESULTS: Final = Path(__file__).parent / "results" / "attacks.json"
SHOP: Final = ShopConfig(num_users=1_200, num_items=500, num_events=60_000, days=90, seed=21)
K: Final = 20
_SOCIAL: Final = {
    "embedding_size": 32,
    "linear.rank": 64,
    "linear_weight": 0.5,
    "popularity_weight": 0.5,
}
SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "social": _SOCIAL,
    "social_linear": {"rank": 64},
    "ease": {},
    "item_knn": {},
    "lightgcn": {"embedding_size": 32, "layers": 2, "use_ties": True},
}
ATTACKED: Final = {"shop": "social", "lastfm": "social_linear"}
"""The model of each set: on LastFM the closed-form half alone, for its speed."""
PRICED: Final = {"beidian": "social_linear", "ciao": "social_linear"}
"""Sets that nobody attacks: what it costs where a friend's history counts as so much at least."""
EPOCHS: Final = 20


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to push an item."""

    kind: str
    share: float
    """Accounts, as a share of the shoppers."""
    friends: int
    """Shoppers that each befriends."""
    accepted: float = 1.0
    days: float | None = 7.0
    ring: int = 0
    target: str = "rare"

    @property
    def name(self) -> str:
        """Write its settings in one line."""
        told = "" if self.accepted == 1.0 else f", {self.accepted:g} accept"
        told += "" if self.days else ", over time"
        told += f", ring {self.ring}" if self.ring else ""
        told += "" if self.target == "rare" else f", {self.target}"
        return f"{self.kind} {self.share:g} x {self.friends}{told}"


ADAPTIVE: Final = tuple(Attack("copied", 0.03, 6, days=None, ring=ring) for ring in (0, 6))
ATTACKS: Final = (
    Attack("average", 0.03, 0),
    Attack("average", 0.03, 5),
    Attack("average", 0.03, 20),
    ADAPTIVE[0],
    Attack("generated", 0.03, 5),
    Attack("average", 0.01, 5),
    *(Attack(kind, 0.03, 5) for kind in ("random", "bandwagon", "copied", "segment")),
    Attack("average", 0.03, 20, accepted=0.0),
    ADAPTIVE[1],
    Attack("average", 0.005, 5),
    Attack("average", 0.05, 5),
    Attack("average", 0.03, 5, target="mid"),
)
FEWER: Final = (ATTACKS[2], ATTACKS[1], *ATTACKS[3:5])
DEFENDED: Final = ATTACKS[1:4]
"""Where the other defences are tried, too."""
CLIPS: Final = (0.0, 5.0, 20.0)
"""Values of ``least_friend_history``."""
TARGETS: Final = 4
"""Of a seed, where friends have one item each."""
OTHERS: Final = (Attack("average", 0.03, 0), Attack("average", 0.03, 5))


def main(arguments: list[str] | None = None) -> None:
    """Measure what is not measured yet; print a line each."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--sets", nargs="+", choices=(*ATTACKED, *PRICED), default=list(ATTACKED))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in asked.sets:
        bench = Bench(name, _read(name, asked.data))
        # The closed form has no chance in it: without fakes one seed tells all.
        clean_seeds = 1 if bench.model == "social_linear" else asked.seeds
        if name in PRICED:
            _measure(name, "clean", "", clean_seeds, bench.clips)
            continue
        _measure(name, "clean", "", clean_seeds, bench.clean)
        if name == "shop":
            _measure(name, "one friend", "", asked.seeds, bench.one_friend)
        for attack in ATTACKS if name == "shop" else FEWER:
            _measure(name, "attacks", attack.name, asked.seeds, bench.attack(attack))
            if attack in DEFENDED:
                _measure(name, "defences", attack.name, asked.seeds, bench.defences(attack))
        for model in ("ease", "item_knn", "lightgcn"):
            for attack in OTHERS[: 2 if model == "lightgcn" else 1] if name == "shop" else ():
                cell = f"{model}: {attack.name}"
                _measure(name, "models", cell, asked.seeds, bench.others(model, attack))


class Bench:
    """A shop under attack."""

    def __init__(self, name: str, split: Split):
        self.name, self.split, self.data = name, split, split.for_test()
        self.had = engagement(self.data)
        self.shop = Shop.of(self.had)
        self.people = np.arange(split.num_users)
        self.model = (ATTACKED | PRICED)[name]
        self._gan: ProfileGAN | None = None
        self._clean: dict[tuple[int, float], Any] = {}

    def fitted(self, model: str, data: TrainingSet, seed: int, clip: float = 0.0) -> Any:
        """Fit a small model."""
        clipped = {"least_friend_history": clip} if clip else {}
        config = change(MODELS[model].config_class(), {**SETTINGS[model], **clipped})
        if hasattr(config, "loop"):
            loop = replace(config.loop, max_epochs=EPOCHS, seed=seed)
            config = replace(config, loop=loop)
        return fit(data, model, config)

    def _able(self) -> tuple[str, ...]:
        # Without times all are young, and all of a rush.
        return tuple(DEFENCES) if np.ptp(self.data.interactions.ts_ms) else ("grounded",)

    def _unattacked(self, seed: int, clip: float = 0.0) -> Any:
        key = seed, clip
        if key not in self._clean:
            self._clean[key] = self.fitted(self.model, self.data, seed, clip)
        self._clean[key].serve(self.data)
        return self._clean[key]

    def clean(self, seed: int) -> dict[str, Any]:
        """Measure what defences cost where nobody attacks."""
        started = time.process_time()
        found = find_suspects(self.data)
        seconds = time.process_time() - started
        kept = without_accounts(self.data, found.user_idx)
        ways = {"found": kept} | {name: DEFENCES[name](self.data) for name in self._able()}
        plain, ndcg = self._unattacked(seed), self.clips(seed)["ndcg"]
        for name, data in ways.items():
            same = name == "found" and not len(found.user_idx)
            fitted = plain if same else self.fitted(self.model, data, seed)
            ndcg[name] = self._ndcg(fitted, data)
        left = {name: len(way.interactions) for name, way in ways.items()}
        return {
            "ndcg": ndcg,
            "suspects": len(found.user_idx) / self.split.num_users,
            "pushed": len(found.pushed),
            "ties_left": len(ways["grounded"].ties) / max(len(self.data.ties), 1),
            "events_left": {n: kept / len(self.data.interactions) for n, kept in left.items()},
            "detect_s": seconds,
        }

    def clips(self, seed: int) -> dict[str, Any]:
        """Measure what it costs that a friend's history counts as so much at least."""
        return {
            "ndcg": {
                f"clip {clip:g}" if clip else "plain": self._ndcg(
                    self._unattacked(seed, clip), self.data
                )
                for clip in CLIPS
            }
        }

    def _ndcg(self, model: Any, data: TrainingSet) -> float:
        # Who is withheld keeps a list of their own.
        own = replace(data, interactions=self.data.interactions)
        model.serve(own)
        return float(evaluate_model(model, own, self.split.test, ks=(K,)).mean("ndcg@20"))

    def attack(self, attack: Attack) -> Any:
        """Make what measures an attack on the social model by a seed."""

        def measure(seed: int) -> dict[str, Any]:
            target, data, rows = self._attacked(attack, seed)
            model = self._unattacked(seed)
            before = self._hits(model, self.data, target)
            model.serve(data)
            live = self._hits(model, data, target)
            found = find_suspects(data)
            is_fake = np.isin(np.arange(data.num_users), rows)
            flagged = np.isin(np.arange(data.num_users), found.user_idx)
            ways = {"attacked": data, "found": without_accounts(data, found.user_idx)}
            hits = {"before": before, "live": live}
            for name, left in ways.items():
                same = name == "found" and not len(found.user_idx)
                fitted = None if same else self.fitted(self.model, left, seed)
                hits[name] = hits["attacked"] if same else self._hits(fitted, left, target)
            return {
                "hits": hits,
                "fakes": len(rows),
                "auc": float(roc_auc_score(is_fake, found.score)),
                "recall": float(flagged[is_fake].mean()),
                "precision": float(is_fake[flagged].mean()) if flagged.any() else None,
                "false_alarms": float(flagged[~is_fake].mean()),
                "target_named": bool(target in found.pushed),
            }

        return measure

    def defences(self, attack: Attack) -> Any:
        """Make what measures an attack under each defence by a seed."""

        def measure(seed: int) -> dict[str, Any]:
            target, data, _ = self._attacked(attack, seed)
            hits = dict[str, float]()
            for name in (one for one in TRIED if one in self._able()):
                left = DEFENCES[name](data)
                hits[name] = self._hits(self.fitted(self.model, left, seed), left, target)
            return {"hits": hits}

        return measure

    def others(self, model: str, attack: Attack) -> Any:
        """Make what measures an attack on another model by a seed."""

        def measure(seed: int) -> dict[str, Any]:
            target, data, _ = self._attacked(attack, seed)
            fitted = self.fitted(model, data, seed)
            return {"hits": {"attacked": self._hits(fitted, data, target)}}

        return measure

    def one_friend(self, seed: int) -> dict[str, Any]:
        """Give each of some shoppers fake friends of their own, live; means of some targets."""
        rng = np.random.default_rng(seed)
        some = rng.choice(self.people, min(300, len(self.people)), replace=False)
        fitted = {clip: self._unattacked(seed, clip) for clip in CLIPS}
        found = dict[str, list[float]]()
        for band in ("rare", "mid"):
            for target in (self._target(band, rng) for _ in range(TARGETS)):
                for friends, fillers in ((0, 0), (1, 0), (3, 0), (3, 9)):
                    data = self._befriended(some, target, friends, fillers, rng)
                    for clip, model in fitted.items():
                        model.serve(data)
                        hits = self._hits(model, data, target, some)
                        cell = f"{band} x {friends}, {fillers} fillers, clip {clip:g}"
                        found.setdefault(cell, []).append(hits)
        return {"hits": {cell: float(np.mean(hits)) for cell, hits in found.items()}}

    def _befriended(
        self, some: Ints, target: int, friends: int, fillers: int, rng: np.random.Generator
    ) -> TrainingSet:
        fill = FILLERS["average"]
        profiles = [
            np.concatenate([[target], fill(self.shop, target, fillers, rng)]).astype(np.int64)
            for _ in range(len(some) * friends)
        ]
        with_fakes, rows = add_fakes(self.data, profiles)
        whom = np.tile(some, friends)
        made = {
            name: np.concatenate([getattr(self.data.ties, name), new])
            for name, new in {
                "src_idx": np.concatenate([whom, rows]),
                "dst_idx": np.concatenate([rows, whom]),
                "kind": np.zeros(2 * len(rows), np.int8),
                "weight": np.ones(2 * len(rows), np.float32),
                "since_ms": np.zeros(2 * len(rows), np.int64),
            }.items()
        }
        return replace(with_fakes, ties=type(self.data.ties)(**made))

    def _attacked(self, attack: Attack, seed: int) -> tuple[int, TrainingSet, Ints]:
        rng = np.random.default_rng([seed, len(attack.name)])
        target = self._target(attack.target, np.random.default_rng([7, seed]))
        if attack.kind == "generated" and self._gan is None:
            self._gan = ProfileGAN(self.shop)
        fillers = self._gan or FILLERS["average"]
        if attack.kind != "generated":
            fillers = FILLERS[attack.kind]
        count = max(1, round(attack.share * self.split.num_users))
        profiles = make_profiles(self.shop, target, count, fillers, rng)
        ties = FakeTies(attack.friends, attack.accepted, attack.ring)
        return target, *add_fakes(self.data, profiles, ties, FakeTimes(attack.days), rng)

    def _target(self, band: str, rng: np.random.Generator) -> int:
        had = self.shop.popularity
        some = had[had > 0]
        low, high = {
            "rare": (1.0, 3.0),
            "mid": (float(np.quantile(some, 0.7)), float(np.quantile(some, 0.8))),
            "popular": (float(np.quantile(some, 0.97)), float(np.quantile(some, 0.99))),
        }[band]
        return int(rng.choice(np.flatnonzero((had >= low) & (had <= high))))

    def _hits(self, model: Any, data: TrainingSet, target: int, who: Ints | None = None) -> float:
        """Measure in what share of lists the item stands, of true shoppers who lack it."""
        who = self.people if who is None else who
        who = who[np.asarray(self.had[who][:, [target]].todense()).ravel() == 0]
        scores = np.array(model.scores(who), np.float32)
        scores[engagement(data)[who].nonzero()] = -np.inf
        top = np.argpartition(-scores, K, axis=1)[:, :K]
        return float((top == target).any(axis=1).mean())


def _read(name: str, data: Path) -> Split:
    with tempfile.TemporaryDirectory(prefix="coterie-attacks-") as folder:
        if name == "shop":
            simulate(SHOP).write(f"{folder}/raw")
        else:
            convert(name, str(data / name), f"{folder}/raw")
        ingest(f"{folder}/raw", f"{folder}/clean")
        return choose(load_dataset(f"{folder}/clean"))


def _measure(dataset: str, part: str, cell: str, seeds: int, measure: Any) -> None:
    _, there = _kept(dataset, part)
    before = (there.get(cell) if cell else there) or {"seeds": [], "cpu_s": 0.0}
    lacking = range(len(before["seeds"]), seeds)
    if not lacking:
        return
    started = time.process_time()
    found = before["seeds"] + [_rounded(measure(seed)) for seed in lacking]
    seconds = before["cpu_s"] + time.process_time() - started
    row = {"seeds": found, "cpu_s": round(seconds, 1)}
    # Read anew: another run may have written another set's meanwhile.
    results, there = _kept(dataset, part)
    results["sets"][dataset][part] = {**there, cell: row} if cell else row
    results["command"] = "python -m benchmarks.attacks --data DIR"
    results["machine"] = f"{platform.machine()}, one thread"
    results["versions"] = {p: version(p) for p in ("torch", "scikit-learn")}
    write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    print(dataset, part, cell, found[lacking.start :], flush=True)


def _kept(dataset: str, part: str) -> tuple[dict[str, Any], dict[str, Any]]:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    there = results.setdefault("sets", {}).setdefault(dataset, {}).setdefault(part, {})
    return results, there


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, 5) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
