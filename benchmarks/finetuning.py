"""Encoders of texts, frozen against fine-tuned: known items, items nobody had yet, and other shops.

    python -m benchmarks.finetuning --data DIR
    python -m benchmarks.finetuning --data DIR --sets amazon_industrial --encoder DIR --name e5
    python -m benchmarks.finetuning --data DIR --encoder DIR --name e5-masked --lora 8 --masked 1
    python -m benchmarks.finetuning --data DIR --rates 3e-5 --epochs 1 --transfer lastfm

Each seed draws a tenth of the items as cold (as ``benchmarks.content_cold`` does) and fine-tunes
on the training pairs of the others. The budget is small, since two shared cores do all of it: 1,024
pairs an epoch, at most two epochs, 48 word pieces a text. The learning rate is that of ``RATES`` by
which seed 0 finds held-out pairs best. Then the content model with texts alone (``--taste``: beside
taste too, weights found on validation) is looked at on test, once a seed; the frozen encoder is
measured by the same lines. Transfer encodes some sets by encoders that were fine-tuned on others. A
run replaces its own rows in ``benchmarks/results/finetuning.json``.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.content_cold import DRAWS, SHARE, _draw, _without
from benchmarks.content_dated import _of_times
from benchmarks.content_sets import ContentSet, Task, read_amazon, read_lastfm, read_yelp
from coterie.content.encoders import DEFAULT, EncoderChoice
from coterie.content.texts import item_texts
from coterie.data.ingest import ingest
from coterie.data.simulate import ShopConfig, simulate
from coterie.data.vector_columns import with_vectors
from coterie.errors import BadInputError
from coterie.evaluation.protocols import evaluate_model
from coterie.files import write_atomically
from coterie.finetuning.config import LOOP, FinetuneConfig
from coterie.finetuning.networks import TextNetwork, open_network
from coterie.finetuning.pairs import ItemPairs
from coterie.fitting.finetune import FinetunedEncoder, finetune
from coterie.fitting.fit import Here
from coterie.models.content import ContentConfig, ContentModel
from coterie.models.engagement import engagement
from coterie.workflow.shop import CleanShop

RESULTS: Final = Path(__file__).parent / "results" / "finetuning.json"


SHOP: Final = ShopConfig(num_users=800, num_items=600, num_events=40_000)


def read_simulated(folder: Path, encode: Any = None) -> ContentSet:  # noqa: ARG001
    """Simulate a shop of 600 items, by time, without pictures."""
    with TemporaryDirectory() as work:
        simulate(SHOP).write(f"{work}/raw")
        ingest(f"{work}/raw", f"{work}/clean")
        return _of_times("simulated", CleanShop.open(f"{work}/clean").split)


READERS: Final = {
    "amazon_industrial": read_amazon,
    "yelp_core40": read_yelp,
    "simulated": read_simulated,
    "lastfm": read_lastfm,
}
TASTE: Final = ("ease", "walk", "next", "popular", "again")
RATES: Final = (3e-5, 2e-4)
SMALL: Final = FinetuneConfig(loop=replace(LOOP, max_epochs=2), pairs_per_epoch=1_024)
FROZEN: Final = "frozen"
Vectors = npt.NDArray[Any]
Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, eq=False)
class TextSet:
    """A set, with the texts that its items are encoded by."""

    found: ContentSet
    texts: list[str]

    @classmethod
    def read(cls, data: Path, name: str) -> "TextSet":
        """Read a set; its vectors come later."""
        said: list[str] = []

        def keep(texts: Sequence[str]) -> Vectors:
            said.extend(texts)
            return np.zeros((len(texts), 1), np.float32)

        found = READERS[name](data / name, keep)
        if not said:
            assert found.test.fit.items is not None
            said = item_texts(found.test.fit.items)
        return cls(found, said)

    def with_vectors(self, vectors: Vectors) -> ContentSet:
        """Put vectors of its texts beside its items."""
        return replace(
            self.found,
            validation=_told(self.found.validation, vectors),
            test=_told(self.found.test, vectors),
        )


def _told(task: Task, vectors: Vectors) -> Task:
    def told(data: Any) -> Any:
        return replace(data, items=with_vectors(data.items, "text", vectors))

    return Task(told(task.fit), task.held_out, task.serve and told(task.serve))


def cold_items(found: ContentSet, seed: int) -> npt.NDArray[np.bool_]:
    """Draw the cold items of a seed, as ``content_cold`` draws them."""
    n = found.test.fit.num_items
    cold = np.zeros(n, bool)
    cold[np.random.default_rng(seed).choice(n, int(SHARE * n), replace=False)] = True
    return cold


def learned(
    of: TextSet, choice: EncoderChoice, config: FinetuneConfig, seed: int
) -> tuple[TextNetwork, dict[str, Any]]:
    """Fine-tune on training pairs without the seed's cold items; the network, and how it went."""
    data = _without(of.found.validation.fit, cold_items(of.found, seed))
    config = replace(config, loop=replace(config.loop, seed=seed))
    pairs = ItemPairs.of(engagement(data), of.texts, config.held_out_share, seed)
    began = time.process_time()
    made = finetune(choice, pairs, config, Here())
    return made.network, {
        "frozen": round(made.frozen, 5),
        "finetuned": round(made.history.best_score or 0.0, 5),
        "best_epoch": made.history.best_epoch,
        "epochs": len(made.history.epochs),
        "pairs": pairs.num_pairs,
        "cpu_seconds": round(time.process_time() - began),
        **_of_masked(made),
    }


def _of_masked(made: FinetunedEncoder) -> dict[str, Any]:
    """Say what masked word pieces came to, where some were foreseen."""
    if made.masked is None:
        return {}
    likely = [round(epoch.score or 0.0, 5) for epoch in made.masked.history.epochs]
    return {"masked": round(made.masked.found, 5), "likely": likely}


def encoded(network: TextNetwork, texts: Sequence[str], longest: int = 256) -> Vectors:
    """Encode texts by a network, each once."""
    some = sorted(set(texts), key=len)
    found: dict[str, Vectors] = {}
    network.eval()
    for start in range(0, len(some), 64):
        part = some[start : start + 64]
        cut = network.tokens(part, longest)
        lengths = torch.tensor([len(one) for one in cut])
        ids = torch.zeros(len(cut), int(lengths.max()), dtype=torch.long)
        for row, one in enumerate(cut):
            ids[row, : len(one)] = torch.tensor(one)
        with torch.inference_mode():
            found |= dict(zip(part, network(ids, lengths).numpy(), strict=True))
    return np.array([found[text] for text in texts])


def measured(found: ContentSet, seeds: Sequence[int], alone: bool) -> dict[str, Any]:
    """Look at test: texts alone, taste and texts, and cold items of each seed."""
    decay = 1.0 if found.validation.serve is not None else 0.0
    parts = ("text",) if alone else (*TASTE, "text")
    config = ContentConfig(parts, position_decay=decay, l2=100.0)
    judged, final = ContentModel(config), ContentModel(config)
    judged.fit(replace(found.validation.fit, validation=None))
    final.fit(replace(found.test.fit, validation=None))
    looked: dict[str, Any] = {}
    weights: dict[str, float] = {}
    rows = {"texts alone": ("text",)} | ({} if alone else {"taste and texts": parts})
    for row, some in rows.items():
        reached = judged.weigh(found.validation.serve or found.validation.fit, some)
        weights = {name: weight for name, weight in judged.weights.items() if weight}
        final.weights = weights
        if found.test.serve is not None:
            final.serve(found.test.serve)
        run = evaluate_model(
            final, found.test.serve or found.test.fit, found.test.held_out, ks=(found.k,)
        )
        looked[row] = round(run.mean(f"ndcg@{found.k}"), 5)
        looked[f"{row}, validation"] = round(reached, 5)
    given = weights | {"text": weights.get("text", 0.0)}
    config = ContentConfig(tuple(given), tuple(given.values()), 100.0, position_decay=decay)
    for seed in seeds:
        cells = _draw(
            found, replace(config, map_new=not alone, new_item_bonus=0.0), ("text",), seed
        )
        looked.setdefault("cold, texts alone", []).append(round(cells["text"]["ndcg"], 5))
        if alone:
            continue
        looked.setdefault("cold, mapped", []).append(round(cells["all, mapped"]["ndcg"], 5))
    return looked


def measure_set(
    data: Path,
    name: str,
    choice: EncoderChoice,
    config: FinetuneConfig,
    rates: Sequence[float],
    alone: bool,
    seeds: Sequence[int] = range(DRAWS),
    cold: bool = True,
) -> dict[str, Any]:
    """Measure the frozen encoder and fine-tuned ones, one a seed."""
    of = TextSet.read(data, name)
    frozen = measured(
        of.with_vectors(encoded(open_network(choice), of.texts)), seeds if cold else [], alone
    )
    print(name, FROZEN, frozen, flush=True)
    tried: dict[float, Any] = {}
    for rate in rates if len(rates) > 1 or 0 in seeds else ():
        tried[rate] = learned(of, choice, _at(config, rate), 0)
        print(name, rate, tried[rate][1], flush=True)
    rate = max(tried or rates, key=lambda one: tried[one][1]["finetuned"] if tried else 0)
    rows = []
    for seed in seeds:
        network, told = tried[rate] if seed == 0 else learned(of, choice, _at(config, rate), seed)
        row = measured(of.with_vectors(encoded(network, of.texts)), [seed] if cold else [], alone)
        rows.append({"learning": told, **row})
        print(name, seed, rows[-1], flush=True)
    tries = {f"{one:g}": told for one, (_, told) in tried.items()}
    return {FROZEN: frozen, "rates": tries, "rate": rate, "seeds": rows}


def with_standing(stands: Mapping[str, Any], cell: Mapping[str, Any], first: int) -> dict[str, Any]:
    """Put a cell behind the seeds before it, if they were measured by the same settings.

    Raises:
        BadInputError: Other seeds stand, or of other settings or another frozen encoder.
    """
    told = {
        "seeds": (len(stands.get("seeds", ())), first),
        "settings": (stands.get("settings"), cell["settings"]),
        "rate": (stands.get("rate"), cell["rate"]),
        **{
            f"frozen, {figure}": (stands.get(FROZEN, {}).get(figure), one)
            for figure, one in cell[FROZEN].items()
            if not isinstance(one, list)
        },
    }
    for what, (found, expected) in told.items():
        if found != expected:
            raise BadInputError(
                f"--first {first}: what stands has {found} as {what}, expected {expected}; "
                "measure all seeds again, without --first"
            )
    frozen = {
        figure: [*stands[FROZEN][figure], *one] if isinstance(one, list) else one
        for figure, one in cell[FROZEN].items()
    }
    return {
        **cell,
        FROZEN: frozen,
        "rates": stands["rates"] | cell["rates"],
        "seeds": [*stands["seeds"], *cell["seeds"]],
    }


def _at(config: FinetuneConfig, rate: float) -> FinetuneConfig:
    return replace(config, loop=replace(config.loop, lr=rate))


def measure_transfer(
    data: Path, networks: Mapping[str, list[TextNetwork]], targets: Sequence[str], cold: bool
) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Encode sets by the encoders of each other set: the set, the other, and each seed's row."""
    for target in targets:
        of = TextSet.read(data, target)
        for source, some in networks.items():
            if source != target:
                rows = [
                    measured(
                        of.with_vectors(encoded(network, of.texts)), [seed] if cold else [], True
                    )
                    for seed, network in enumerate(some)
                ]
                print(target, "by", source, rows, flush=True)
                yield target, source, rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--sets", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--encoder", default=DEFAULT, help="default, or a folder")
    parser.add_argument("--name", default=DEFAULT, help="what the results call it")
    parser.add_argument("--prefix", default="")
    parser.add_argument("--lora", type=int, default=0)
    parser.add_argument("--masked", type=int, default=0, help="epochs of masked pieces, first")
    parser.add_argument("--pairs", type=int, default=SMALL.pairs_per_epoch)
    parser.add_argument("--epochs", type=int, default=SMALL.loop.max_epochs)
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES))
    parser.add_argument("--taste", action="store_true", help="also beside taste: EASE takes long")
    parser.add_argument("--seeds", type=int, default=DRAWS, help="how many")
    parser.add_argument("--first", type=int, default=0, help="seeds before stand in the results")
    parser.add_argument("--no-cold", action="store_true", help="not of cold items: it takes long")
    parser.add_argument("--tokens", type=int, default=SMALL.max_tokens, help="of a text")
    parser.add_argument(
        "--transfer",
        nargs="+",
        choices=READERS,
        default=[],
        help="measure encoders of the sets on these sets, instead of on their own",
    )
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    config = replace(
        SMALL,
        loop=replace(SMALL.loop, max_epochs=asked.epochs),
        pairs_per_epoch=asked.pairs,
        lora_rank=asked.lora,
        masked_epochs=asked.masked,
        max_tokens=asked.tokens,
    )
    choice = EncoderChoice(asked.encoder, prefix=asked.prefix)
    if asked.transfer:
        _transfer(asked, choice, config)
        return 0
    for name in asked.sets:
        cell = measure_set(
            asked.data,
            name,
            choice,
            config,
            asked.rates,
            not asked.taste,
            range(asked.first, asked.seeds),
            not asked.no_cold,
        )
        command = f"python -m benchmarks.finetuning --data DIR --sets {name} {_given(asked)}"
        cell |= {"command": command, "settings": asdict(config)}
        if asked.first:
            cell = with_standing(_standing().get(asked.name, {}).get(name, {}), cell, asked.first)
        _keep(asked.name, name, cell)
    return 0


def _transfer(asked: argparse.Namespace, choice: EncoderChoice, config: FinetuneConfig) -> None:
    """Fine-tune on each set by the one rate, and keep what other sets reach by it."""
    config = _at(config, asked.rates[0])
    networks = {}
    for name in asked.sets:
        of = TextSet.read(asked.data, name)
        networks[name] = [learned(of, choice, config, seed)[0] for seed in range(asked.seeds)]
        print(name, "learned", flush=True)
    of_each = measure_transfer(asked.data, networks, asked.transfer, not asked.no_cold)
    for target, source, rows in of_each:
        transfer = _standing().get(asked.name, {}).get("transfer", {})
        transfer.setdefault(target, {})[source] = rows
        _keep(asked.name, "transfer", transfer)


def _given(asked: argparse.Namespace) -> str:
    """Write down what of a command is not the default, and what is always told."""
    told = [f"--rates {' '.join(f'{rate:g}' for rate in asked.rates)} --epochs {asked.epochs}"]
    if asked.encoder != DEFAULT:
        told.append(f"--encoder DIR --name {asked.name} --prefix '{asked.prefix}'")
    usual = {
        "pairs": SMALL.pairs_per_epoch,
        "lora": 0,
        "masked": 0,
        "seeds": DRAWS,
        "tokens": SMALL.max_tokens,
    }
    told += [
        f"--{name} {getattr(asked, name):g}"
        for name, one in usual.items()
        if getattr(asked, name) != one
    ]
    return " ".join([*told, *(["--no-cold"] if asked.no_cold else [])])


def _standing() -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return whole


def _keep(encoder: str, name: str, cell: Any) -> None:
    whole = _standing()
    rows = whole.setdefault(encoder, {})
    rows[name] = cell
    rows["machine"] = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, one thread"
    rows["versions"] = {one: version(one) for one in ("numpy", "torch")}
    write_atomically(RESULTS, json.dumps(whole, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
