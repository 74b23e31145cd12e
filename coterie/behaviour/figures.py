"""Behaviour in figures, as they are kept for programs and drawn for people."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from coterie.behaviour.activity import FEATURES
from coterie.behaviour.demand import weeks_of
from coterie.behaviour.forecast import Forecast
from coterie.behaviour.propensity import Foreseen
from coterie.behaviour.segments import Segments
from coterie.behaviour.settings import BehaviourSettings
from coterie.behaviour.shop_log import ShopLog
from coterie.behaviour.study import Behaviour
from coterie.data.dataset import Dataset

_SHOWN = ("days_since_event", "active_days_30", "purchases", "value_a_purchase", "days_known")


def behaviour_figures(
    dataset: Dataset, found: Behaviour, settings: BehaviourSettings
) -> dict[str, Any]:
    """Tell of behaviour what ``behaviour.json`` holds."""
    log = found.log
    figures = {
        "fingerprint": dataset.fingerprint,
        "settings": asdict(settings),
        "size": {
            "shoppers": int((found.segments.label >= 0).sum()),
            "events": len(log.events),
            "purchases": int(log.bought.sum()),
            "days": int(log.days),
            "priced": log.priced,
        },
        "segments": _segments(log, found.segments),
        "foreseen": {name: _foreseen(one) for name, one in found.foreseen.items()},
        "demand": _demand(found.forecast),
    }
    # As a reader of the file gets them: without tuples.
    told: dict[str, Any] = json.loads(json.dumps(figures))
    return told


def _segments(log: ShopLog, found: Segments) -> dict[str, Any]:
    shown = [FEATURES.index(name) for name in _SHOWN]
    return {
        "stability": {str(k): round(value, 4) for k, value in found.stability.items()},
        "chosen": [
            {
                "name": name,
                "number": int(found.numbers[at]),
                "shoppers": int(size),
                "means": dict(zip(_SHOWN, found.means[at, shown].round(3).tolist(), strict=True)),
                "tastes": dict(
                    zip(log.categories, found.tastes[at].round(4).tolist(), strict=True)
                ),
            }
            for at, (name, size) in enumerate(zip(found.names, found.sizes, strict=True))
        ],
        "moments_ms": list(found.moments),
        "moves": found.moves.tolist(),
    }


def _foreseen(one: Foreseen | str) -> dict[str, Any]:
    if isinstance(one, str):
        return {"left_out": one}
    told: dict[str, Any] = {
        "about": one.question.about,
        "shoppers": one.shoppers,
        "happened": one.happened,
        "learned_from": one.learned_from,
        "chances": {name: asdict(scores) for name, scores in one.chances.items()},
        "gains": {name: asdict(gain) for name, gain in one.gains.items()},
        "amounts": {name: asdict(scores) for name, scores in one.amounts.items()},
        "now_mean": float(np.nanmean(one.now)) if np.isfinite(one.now).any() else None,
    }
    return told


def _demand(found: Forecast | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"left_out": found}
    upper = found.demand.upper
    names = ["everything", *found.demand.categories]
    past = weeks_of(found.demand.days)[:upper, -26:]
    return {
        "windows": found.windows,
        "no_interval": found.no_interval,
        "levels": [asdict(level) for level in found.levels],
        "end_ms": found.demand.end_ms,
        "series": [
            {
                "name": name,
                "past": past[at].tolist(),
                "expected": found.weeks[at].round(2).tolist(),
                "low": None if found.no_interval else found.low[at].round(2).tolist(),
                "high": None if found.no_interval else found.high[at].round(2).tolist(),
            }
            for at, name in enumerate(names)
        ],
    }
