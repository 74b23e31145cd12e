"""What a comparison of models comes to, as plain values that a file keeps."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from coterie.errors import BadInputError
from coterie.evaluation.significance import Estimate, PairedTest
from coterie.files import write_atomically

Estimates = dict[str, dict[str, Estimate]]
"""Model to metric to figure."""


@dataclass(frozen=True, slots=True)
class ShopperGroup:
    """Some of the shoppers, judged alone."""

    label: str
    num_shoppers: int
    models: Estimates
    """Tested metrics only."""
    against_baseline: PairedTest | None
    """Ours against the best baseline, on the primary metric."""
    lift: PairedTest | None
    """Ours with ties against without, on the primary metric."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a table, a gate or a report needs to know; plain values only."""

    name: str
    """Data set and split."""
    num_shoppers: int
    num_items: int
    ks: tuple[int, ...]
    level: float
    primary: str
    ours: str
    """The model in front: ours; where it was not compared, the best baseline of several."""
    without_ties: str
    models: Estimates
    recall_curves: dict[str, list[float]]
    """Model to mean recall at list lengths 1, 2, 3 and so on."""
    best_baseline: str | None
    """But for the model in front."""
    against_baseline: dict[str, PairedTest]
    """Metric to the model in front against the best baseline; empty where either is missing."""
    lift: dict[str, PairedTest]
    """Metric to ours with ties against without; empty unless both were compared."""
    groups: dict[str, list[ShopperGroup]]
    """``activity``, ``friends``, ``unnamed friends`` where lists draw on fewer than all, and
    perhaps ``newcomers``, whom no model saw; none is empty."""
    circle: dict[str, Any] = field(default_factory=dict)
    """Whom lists drew on: ``CircleRule.as_json``; empty: all friends."""
    discretion: dict[str, PairedTest] = field(default_factory=dict)
    """Metric to ours against the same drawing on all friends; empty where it draws on them."""

    def mean(self, model: str, metric: str | None = None) -> float:
        """Look up one figure; the primary metric if none is named.

        Raises:
            BadInputError: No such model or metric was compared.
        """
        wanted = metric or self.primary
        if wanted not in self.models.get(model, {}):
            raise BadInputError(f"no {wanted} of {model!r} here, only of {', '.join(self.models)}")
        return self.models[model][wanted].mean

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        write_atomically(path, json.dumps(asdict(self), indent=1, allow_nan=False))

    @classmethod
    def load(cls, path: str | Path) -> "Comparison":
        """Read back what :meth:`save` wrote.

        Raises:
            BadInputError: The file holds something else.
        """
        try:
            return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInputError(
                f"{path} is no comparison ({error}): write it with Comparison.save"
            ) from error

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Comparison":
        """Read back from plain values."""
        groups = {
            kind: [_group(group) for group in listed] for kind, listed in content["groups"].items()
        }
        read = {
            "ks": tuple(content["ks"]),
            "models": _estimates(content["models"]),
            "against_baseline": _tests(content["against_baseline"]),
            "lift": _tests(content["lift"]),
            "discretion": _tests(content.get("discretion", {})),
            "groups": groups,
        }
        return cls(**{**content, **read})


def _estimates(content: dict[str, Any]) -> Estimates:
    return {
        model: {metric: Estimate(**figure) for metric, figure in figures.items()}
        for model, figures in content.items()
    }


def _paired(content: dict[str, Any] | None) -> PairedTest | None:
    if content is None:
        return None
    relative = content["relative"]
    read = {
        "difference": Estimate(**content["difference"]),
        "relative": None if relative is None else Estimate(**relative),
    }
    return PairedTest(**{**content, **read})


def _tests(content: dict[str, Any]) -> dict[str, PairedTest]:
    found = {metric: _paired(test) for metric, test in content.items()}
    return {metric: test for metric, test in found.items() if test is not None}


def _group(content: dict[str, Any]) -> ShopperGroup:
    read = {
        "models": _estimates(content["models"]),
        "against_baseline": _paired(content["against_baseline"]),
        "lift": _paired(content["lift"]),
    }
    return ShopperGroup(**{**content, **read})
