"""Many rollouts at once: what ``coterie.rollout.decide`` does at each look, as arrays over runs.

The test of this file plays the traffic of some runs back to ``decide`` itself, which has to come to
the same verdict at the same look. A rollout of its own takes a second; a thousand at once take
less than a minute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.rollout.evidence import RATIOS, Worse
from coterie.rollout.plan import SIGNALS, Plan
from coterie.rollout.strength import over_each

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
LOOK_S: Final = 15.0
MIRRORED: Final = 0.2
"""Share of requests that are put to the canary as well, in shadow."""
ONCE: Final = 0.5
"""Share of mirrored requests whose shopper is not one of a pair yet."""


@dataclass(frozen=True)
class Rates:
    """What happens on each arm: shares of answers, and of pairs that count for one arm alone."""

    canary: Mapping[str, float]
    stable: Mapping[str, float]


@dataclass(frozen=True)
class Windows:
    """What was counted from one look to the next, of many runs; arms: the canary's, stable's."""

    samples: Ints
    """Answers, shape (2, runs)."""
    pairs: Ints
    """Pairs of lists, shape (runs,)."""
    events: Ints
    """By signal, shape (signals, 2, runs)."""


@dataclass
class Outcomes:
    """What became of each run."""

    rolled_back: Mask
    seconds: Floats
    shown: Ints
    """Answers that the canary gave to shoppers by then."""
    signal: Ints
    """Which of the plan's signals spoke against it; -1: none."""
    seen: list[tuple[Ints, Windows]] = field(default_factory=list)
    """The runs that went on, and their windows, look by look; kept only where asked for."""


def draw(
    rng: np.random.Generator,
    signals: Sequence[str],
    rates: Rates,
    share: Floats,
    mirrored: Mask,
    mean: float,
) -> Windows:
    """Draw what is counted of runs whose canaries have these shares of traffic.

    Args:
        rng: Draws.
        signals: Names, in the order of ``Windows.events``.
        rates: Of each signal; one that is not named never happens.
        share: Of requests that the canary answers, shape (runs,).
        mirrored: Whether these are stable's too, shape (runs,): then there are pairs.
        mean: Requests.
    """
    requests = rng.poisson(mean, len(share))
    canary = rng.binomial(requests, share)
    samples = np.stack([canary, requests - canary])
    pairs = np.where(mirrored, rng.binomial(canary, ONCE), 0)
    events = np.zeros((len(signals), 2, len(share)), np.int64)
    for place, name in enumerate(signals):
        of = rates.canary.get(name, 0.0), rates.stable.get(name, 0.0)
        if not SIGNALS[name].paired:
            events[place] = rng.binomial(samples, np.array(of)[:, None])
            continue
        # A pair counts for the canary alone, for stable alone, or for neither.
        by_canary = rng.binomial(pairs, of[0])
        left = min(of[1] / (1.0 - of[0]), 1.0) if of[0] < 1.0 else 0.0
        events[place] = by_canary, rng.binomial(pairs - by_canary, left)
    return Windows(samples, pairs, events)


def decide_runs(
    rng: np.random.Generator, plan: Plan, rates: Rates, runs: int, requests_s: float, keep: int = 0
) -> Outcomes:
    """Roll out as often as that, each on traffic of its own.

    Args:
        rng: Draws traffic.
        plan: Of signals of SIGNALS; people never do anything.
        rates: Of each signal.
        runs: How many.
        requests_s: Over both arms.
        keep: Of so many runs, the first ones, the traffic is kept.
    """
    going = _Going.begin(plan, runs)
    found = Outcomes(
        np.zeros(runs, np.bool_), np.zeros(runs), np.zeros(runs, np.int64), np.full(runs, -1)
    )
    # The first look starts it; nothing is mirrored before.
    now = LOOK_S
    while len(going.run):
        now += LOOK_S
        share, mirrored = going.share(), going.step == 0
        seen = draw(rng, going.names, rates, share, mirrored, requests_s * LOOK_S)
        if keep:
            first = going.run < keep
            found.seen.append((going.run[first], _part(seen, first)))
        going.take_in(seen)
        harmed, ended = going.judge(now)
        out = (harmed >= 0) | ended
        rows = going.run[out]
        found.rolled_back[rows], found.seconds[rows] = harmed[out] >= 0, now
        found.shown[rows], found.signal[rows] = going.shown[out], harmed[out]
        going = going.without(out)
    return found


@dataclass
class _Going:
    """Runs that have not ended: shape (runs,) or (..., runs) each."""

    plan: Plan
    run: Ints
    step: Ints
    """0: shadow; n: the n-th weight; one more than there are weights: bake."""
    since: Floats
    live_since: Floats
    """0: not yet."""
    step_samples: Ints
    counted: Ints
    """Samples that each signal was counted of, shape (signals, 2, runs)."""
    events: Ints
    likelihood: Floats
    """Of signals of answers, shape (signals of answers, ratios, runs)."""
    shown: Ints

    @classmethod
    def begin(cls, plan: Plan, runs: int) -> "_Going":
        num, answers = len(plan.signals), sum(not SIGNALS[n].paired for n, _ in plan.signals)
        return cls(
            plan,
            np.arange(runs),
            np.zeros(runs, np.int64),
            np.full(runs, LOOK_S),
            np.zeros(runs),
            np.zeros((2, runs), np.int64),
            np.zeros((num, 2, runs), np.int64),
            np.zeros((num, 2, runs), np.int64),
            np.zeros((answers, len(RATIOS), runs)),
            np.zeros(runs, np.int64),
        )

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.plan.signals]

    def share(self) -> Floats:
        return np.array([MIRRORED, *self.plan.weights, 1.0])[self.step]

    def without(self, out: Mask) -> "_Going":
        """Leave out runs that ended."""
        if not out.any():
            return self
        kept = {
            name: value[..., ~out]
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray)
        }
        return _Going(self.plan, **kept)

    def take_in(self, seen: Windows) -> None:
        """Take in what was counted since the last look."""
        shadow = self.step == 0
        both = (seen.samples > 0).all(axis=0)
        share = RATIOS[:, None] * seen.samples[0]
        share = share / np.maximum(share + seen.samples[1], 1e-300)
        with np.errstate(divide="ignore"):
            logs = np.where(both, np.log(share), 0.0), np.where(both, np.log1p(-share), 0.0)
        answers = 0
        for place, name in enumerate(self.names):
            meant = SIGNALS[name]
            if meant.paired:
                self.counted[place] += seen.pairs
                self.events[place] += seen.events[place]
                continue
            counts = seen.events[place] * ~(shadow & meant.of_shown)
            self.counted[place] += seen.samples * ~(shadow & meant.of_shown)
            self.events[place] += counts
            self.likelihood[answers] += counts[0] * logs[0] + counts[1] * logs[1]
            answers += 1
        self.step_samples += np.where(self.live_since > 0, seen.samples, 0)
        self.shown += np.where(shadow, 0, seen.samples[0])

    def judge(self, now: float) -> tuple[Ints, Mask]:
        """Find the signal that speaks against each run, or -1; and those that end otherwise.

        All others go on, to the next step where there is nothing to wait for.
        """
        # What was asked for at the look before is live by now.
        self.live_since = np.where(self.live_since > 0, self.live_since, now)
        harmed = self._harmed()
        waits = (self.step_samples < self.plan.min_samples).any(axis=0)
        bake = self.step > len(self.plan.weights)
        late = now - self.since >= self.plan.deadline_s
        lasted = now - self.live_since
        promoted = bake & (lasted >= self.plan.bake_s)
        on = ~bake & ~waits & (lasted >= self.plan.step_s) & (harmed < 0)
        self.step = self.step + on
        self.since = np.where(on, now, self.since)
        self.live_since = np.where(on, 0.0, self.live_since)
        self.step_samples = np.where(on, 0, self.step_samples)
        return harmed, promoted | (~bake & waits & late)

    def _harmed(self) -> Ints:
        harmed = np.full(len(self.run), -1)
        failures = self.names.index("failures")
        canary, stable = self.events[failures]
        asked, beside = self.counted[failures]
        usual = (stable + 1) / (beside + 1)
        fast = canary >= self.plan.fast_failures
        fast &= canary / np.maximum(asked, 1) >= self.plan.fast_ratio * usual
        harmed[fast] = failures
        answers, shadow = 0, bool((self.step == 0).any())
        for place, (name, limit) in enumerate(self.plan.signals):
            meant = SIGNALS[name]
            enough = 1 / self.plan.alpha_of(name)
            if meant.paired:
                # What was not strong in shadow gains no pair afterwards.
                if not shadow:
                    continue
                found = self._pairs_against(place, limit, meant.worse)
            else:
                found = against(self.likelihood[answers], limit, meant.worse)
                answers += 1
            strong = found >= enough
            if meant.harmless and strong.any():
                strong &= self._over(place, meant.harmless) >= enough
            if meant.ceiling is not None:
                strong |= self._over(place, meant.ceiling) >= enough
            harmed[strong & (harmed < 0)] = place
        return harmed

    def _pairs_against(self, place: int, limit: float, worse: Worse) -> Floats:
        share = RATIOS[:, None] / (RATIOS[:, None] + 1.0)
        canary, stable = self.events[place]
        return against(canary * np.log(share) + stable * np.log1p(-share), limit, worse)

    def _over(self, place: int, known: float) -> Floats:
        """See ``strength.over``."""
        samples, events = self.counted[place, 0], self.events[place, 0]
        found = np.zeros(len(samples))
        # At or under what is known no larger share is likelier.
        some = np.flatnonzero(events > known * samples)
        if len(some):
            found[some] = over_each(samples[some], events[some], known)
        return found


def against(likelihood: Floats, limit: float, worse: Worse) -> Floats:
    """See ``Evidence.against``: e-values, shape (runs,), of likelihoods of shape (ratios, runs).

    Where ratios next to the limit explain no more than it does, none beyond does: the likelihood
    has one summit. Such a value is under 1, and 0 stands for it.
    """
    at = int(np.argmin(np.abs(np.log(RATIOS) - np.log(limit))))
    found = np.zeros(likelihood.shape[1])
    some = np.flatnonzero(likelihood[at + (1 if worse is Worse.MORE else -1)] > likelihood[at])
    if len(some):
        beyond = likelihood[at + 1 :, some] if worse is Worse.MORE else likelihood[:at, some]
        beyond = beyond - likelihood[at, some]
        top = beyond.max(axis=0)
        found[some] = np.exp(np.minimum(top, 690.0)) * np.exp(beyond - top).mean(axis=0)
    return found


def _part(seen: Windows, rows: Mask) -> Windows:
    return Windows(seen.samples[:, rows], seen.pairs[rows], seen.events[:, :, rows])
