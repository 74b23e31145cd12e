"""The table of docs/language.md, of what ``benchmarks.finetuning`` found."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any, Final

FIGURES: Final = {
    "texts alone, validation": "NDCG on validation, texts alone",
    "texts alone": "NDCG, texts alone",
    "taste and texts": "NDCG, taste and texts",
    "cold, texts alone": "NDCG of cold items, texts alone",
    "cold, mapped": "NDCG of cold items, taste mapped",
}
NOT_SETS: Final = ("machine", "versions", "transfer")


def write_finetuning(results: Mapping[str, Any]) -> str:
    """Write each set's figures, frozen and fine-tuned, as Markdown."""
    lines = [
        "| encoder, set | figure | frozen | fine-tuned, by seed | mean difference | "
        "every seed gains |",
        "|---|---|---|---|---|---|",
    ]
    for encoder, sets in results.items():
        for name, cell in sets.items():
            if name not in NOT_SETS:
                lines += [f"| {encoder}, {name} | {row}" for row in _rows(cell)]
        for name, sources in sets.get("transfer", {}).items():
            for source, seeds in sources.items():
                cell = {"frozen": sets[name]["frozen"], "seeds": seeds}
                where = f"{encoder}, learned on {source}, {name}"
                lines += [f"| {where} | {row}" for row in _figures(cell)]
    return "\n".join(lines)


def _rows(cell: Mapping[str, Any]) -> Iterator[str]:
    learned = [one["learning"] for one in cell["seeds"]]
    frozen = [one["frozen"] for one in learned]
    yield _row("NDCG@20 of held-out pairs", frozen, [one["finetuned"] for one in learned])
    yield from _figures(cell)


def _figures(cell: Mapping[str, Any]) -> Iterator[str]:
    for figure, title in FIGURES.items():
        if figure in cell["frozen"] and figure in cell["seeds"][0]:
            was = cell["frozen"][figure]
            found = [one[figure] for one in cell["seeds"]]
            if isinstance(was, list):
                found = [value for values in found for value in values]
            yield _row(title, was if isinstance(was, list) else [was] * len(found), found)


def _row(title: str, frozen: Sequence[float], found: Sequence[float]) -> str:
    told = frozen[:1] if len(set(frozen)) == 1 else frozen
    differences = [new - old for new, old in zip(found, frozen, strict=True)]
    # A gain that one seed does not have is none.
    gains = "yes" if min(differences) > 0 else "no"
    return (
        f"{title} | {', '.join(f'{one:.4f}' for one in told)} | "
        f"{', '.join(f'{one:.4f}' for one in found)} | {mean(differences):+.4f} | {gains} |"
    )
