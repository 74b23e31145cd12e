"""The tables of docs/attacks.md, of what ``benchmarks.attacks`` found."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchmarks.attacks_defences import TRIED

Results = Mapping[str, Any]
"""The benchmark's file, parsed."""
_SETS: Final = {
    "shop": "simulated shop",
    "lastfm": "LastFM",
    "beidian": "Beidian",
    "ciao": "Ciao",
}
_MODELS: Final = {
    "ease": "EASE",
    "item_knn": "item-kNN",
    "lightgcn": "LightGCN with ties",
}
_WAYS: Final = {
    "found": "suspects withheld",
    "grounded": "ties without a common friend left out",
    "probation": "accounts of the last 14 days count for nobody",
    "rush": "an item's week counts twice its pace at most",
    "clip 5": "a friend's history counts as 5 purchases at least",
    "clip 20": "the same, 20",
}


def write_reach(results: Results) -> str:
    """Write for each attack how many lists it reaches, and what the detector finds."""
    head = (
        "set, attack | fakes | before | live | trained | suspects withheld | found | wrongly | AUC"
    )
    rows = [head.split(" | "), ["---"] * 9]
    for name, found in results["sets"].items():
        for attack, row in found.get("attacks", {}).items():
            seeds = row["seeds"]
            ways = ("before", "live", "attacked", "found")
            hits = [_percent([one["hits"][way] for one in seeds]) for way in ways]
            told = [_percent([one[key] for one in seeds], 0) for key in ("recall",)]
            told += [_percent([one["false_alarms"] for one in seeds])]
            told += [_spread([one["auc"] for one in seeds])]
            fakes = f"{np.mean([one['fakes'] for one in seeds]):.0f}"
            rows.append([f"{_SETS[name]}: {attack}", fakes, *hits, *told])
    return _table(rows)


def write_defences(results: Results) -> str:
    """Write what defences leave of attacks, by those where they were tried."""
    rows = list[list[str]]()
    for name, found in results["sets"].items():
        for attack, row in found.get("defences", {}).items():
            attacked = found["attacks"][attack]["seeds"]
            hits = [
                _percent([one["hits"][way] for one in attacked]) for way in ("attacked", "found")
            ]
            hits += [
                _percent([one["hits"][way] for one in row["seeds"]])
                # Some need times, which a set may lack.
                if way in row["seeds"][0]["hits"]
                else ""
                for way in TRIED
            ]
            rows.append([f"{_SETS[name]}: {attack}", *hits])
    head = ["set, attack", "none", *(_WAYS[way] for way in ("found", *TRIED))]
    return _table([head, ["---"] * len(head), *rows])


def write_price(results: Results) -> str:
    """Write NDCG@20 of sets without fakes under each defence, and what it leaves out."""
    rows = [
        ["set, defence", "NDCG@20", "change, each seed", "events that count", "suspects"],
        ["---"] * 5,
    ]
    for name, found in results["sets"].items():
        seeds = found["clean"]["seeds"]
        plain = [one["ndcg"]["plain"] for one in seeds]
        rows.append([f"{_SETS[name]}: none", _spread(plain, 4), "", "", ""])
        for way in (one for one in _WAYS if one in seeds[0]["ndcg"]):
            reached = [one["ndcg"][way] for one in seeds]
            changes = [f"{a / b - 1:+.1%}" for a, b in zip(reached, plain, strict=True)]
            left = [one.get("events_left", {}).get(way, 1.0) for one in seeds]
            suspects = _percent([one["suspects"] for one in seeds]) if way == "found" else ""
            told = [_spread(reached, 4), ", ".join(changes), f"{np.mean(left):.1%}", suspects]
            rows.append([f"{_SETS[name]}: {_WAYS[way]}", *told])
    return _table(rows)


def write_friends(results: Results) -> str:
    """Write in how many lists an item stands that fake friends had, of a model fitted before."""
    told = dict[tuple[str, str], list[str]]()
    clips = list[str]()
    for name, found in results["sets"].items():
        seeds = found.get("one friend", {}).get("seeds", [])
        for cell in seeds[0]["hits"] if seeds else ():
            case, _, clip = cell.rpartition(", clip ")
            clips += [clip] if clip not in clips else []
            hits = _percent([one["hits"][cell] for one in seeds])
            told.setdefault((name, case), []).append(hits)
    head = [
        "set, item x fake friends",
        *(f"clip {one}" if one != "0" else "as is" for one in clips),
    ]
    rows = [[f"{_SETS[name]}: {case}", *cells] for (name, case), cells in told.items()]
    return _table([head, ["---"] * len(head), *rows])


def write_models(results: Results) -> str:
    """Write how many lists the same attacks reach with other models."""
    rows = [["set, attack", "model", "lists"], ["---"] * 3]
    for name, found in results["sets"].items():
        for cell, row in found.get("models", {}).items():
            model, _, attack = cell.partition(": ")
            hits = _percent([one["hits"]["attacked"] for one in row["seeds"]])
            rows.append([f"{_SETS[name]}: {attack}", _MODELS[model], hits])
    return _table(rows)


def write_run(results: Results) -> str:
    """Write how the figures were made."""
    cells = [
        row
        for found in results["sets"].values()
        for part in found.values()
        for row in ([part] if "seeds" in part else part.values())
    ]
    seconds = sum(row["cpu_s"] for row in cells)
    detect = {
        _SETS[name]: np.mean([one["detect_s"] for one in found["clean"]["seeds"]])
        for name, found in results["sets"].items()
        if "detect_s" in found["clean"]["seeds"][0]
    }
    told = ", ".join(f"{one:.0f} s on {name}" for name, one in detect.items())
    versions = ", ".join(f"{name} {one}" for name, one in results["versions"].items())
    return (
        f"`{results['command']}`; {results['machine']}; {versions}; {seconds:,.0f} CPU seconds. "
        f"The detector takes {told}."
    )


def _percent(values: Sequence[float], digits: int = 1) -> str:
    mean = f"{100 * np.mean(values):.{digits}f}"
    if len(values) < 2:
        return f"{mean} %"
    return f"{mean} ± {100 * np.std(values, ddof=1):.{digits}f} %"


def _spread(values: Sequence[float], digits: int = 2) -> str:
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
