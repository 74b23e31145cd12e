"""What a policy would have earned, estimated from lists that another one showed."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from coterie.errors import BadInputError
from coterie.offpolicy.intervals import IntervalSettings, Ratios, interval
from coterie.offpolicy.logged import LoggedLists
from coterie.offpolicy.overlap import OverlapLimits, require_overlap
from coterie.offpolicy.weights import ListModel, ListWeights, usual_clip, weigh


class Estimator(StrEnum):
    """How weighed rewards become a figure."""

    IPS = "ips"
    """Weighed by inverse propensity: unbiased, wide."""
    SNIPS = "snips"
    """The same, divided by the mean weight: nearly unbiased, narrower."""
    DR = "dr"
    """Doubly robust: what a model foresees, and inverse propensity for what it misses."""
    SNDR = "sndr"
    """Doubly robust, each part divided by its mean weight."""


@dataclass(frozen=True, slots=True)
class EstimateSettings:
    """How a policy is judged."""

    model: ListModel = ListModel.CASCADE
    estimator: Estimator = Estimator.SNIPS
    clip: float | None = None
    """Bound of weights; the square root of the number of lists if not given, infinity for none."""
    interval: IntervalSettings = field(default_factory=IntervalSettings)
    limits: OverlapLimits | None = field(default_factory=OverlapLimits)
    """What the log has to show; None: whatever it shows is used."""

    def __post_init__(self) -> None:
        if self.clip is not None and not self.clip >= 1:
            raise BadInputError(
                f"weights were to be clipped at {self.clip:g}, which is below their mean of 1: "
                "clip at 1 or more"
            )


@dataclass(frozen=True, slots=True)
class ValueEstimate:
    """What a policy would have earned with each list."""

    value: float
    """Sum over places, mean over lists."""
    low: float
    high: float
    gain: float
    """Value less what the shown lists earned."""
    gain_low: float
    gain_high: float
    effective: float
    """Effective number of lists at the worst place, before clipping."""
    covered: float
    """Mean weight at the worst place: 1 if the log could have shown all."""
    share_clipped: float
    """Share of weights that were over the bound."""


def estimate_value(logged: LoggedLists, settings: EstimateSettings | None = None) -> ValueEstimate:
    """Estimate what the judged policy would have earned a list, and its gain over the log.

    Raises:
        BadInputError: The log tells too little of the policy, or predictions are missing.
    """
    settings = settings or EstimateSettings()
    raw = weigh(logged, settings.model)
    found = require_overlap(logged, raw, settings.model, settings.limits or _ANYTHING)
    clip = usual_clip(logged.num_lists) if settings.clip is None else settings.clip
    figure = ratios(logged, raw.clipped(clip), settings.estimator)
    gain = figure.minus(_earned(logged))
    low, high = interval(figure, logged.shopper, settings.interval)
    gain_low, gain_high = interval(gain, logged.shopper, settings.interval)
    return ValueEstimate(
        figure.value(),
        low,
        high,
        gain.value(),
        gain_low,
        gain_high,
        found.effective,
        found.covered,
        raw.share_over(clip),
    )


def shown_value(
    logged: LoggedLists, settings: IntervalSettings | None = None
) -> tuple[float, float, float]:
    """Give what shown lists earned, mean over lists, and its interval."""
    settings = settings or IntervalSettings()
    figure = _earned(logged)
    return figure.value(), *interval(figure, logged.shopper, settings)


def ratios(logged: LoggedLists, weights: ListWeights, estimator: Estimator) -> Ratios:
    """Write an estimate as a sum of ratios: its value and its spread follow from that.

    Raises:
        BadInputError: A doubly robust estimate lacks predictions.
    """
    shape = logged.shown.shape
    reward, ones = np.where(logged.shown, logged.reward, 0.0), np.ones(shape)
    if estimator is Estimator.IPS:
        return Ratios(weights.here * reward, ones, np.ones(shape[1]))
    # Lists differ in length: a place's mean is over lists that have it, times their share.
    share = logged.shown.mean(axis=0)
    if estimator is Estimator.SNIPS:
        return Ratios(weights.here * reward, weights.here, share)
    if logged.predicted is None or logged.expected is None:
        raise BadInputError(
            f"{estimator.value} needs foreseen rewards, and the log has none: fit a reward model, "
            "or choose ips or snips"
        )
    missed = weights.here * np.where(logged.shown, reward - logged.predicted, 0.0)
    foreseen = weights.above * np.where(logged.shown, logged.expected, 0.0)
    if estimator is Estimator.DR:
        return Ratios(missed + foreseen, ones, np.ones(shape[1]))
    return Ratios(
        np.concatenate([missed, foreseen], axis=1),
        np.concatenate([weights.here, weights.above], axis=1),
        np.concatenate([share, share]),
    )


def _earned(logged: LoggedLists) -> Ratios:
    reward = np.where(logged.shown, logged.reward, 0.0).sum(axis=1, keepdims=True)
    return Ratios(reward, np.ones_like(reward), np.ones(1))


_ANYTHING = OverlapLimits(min_effective=1.0, min_covered=1e-9)
