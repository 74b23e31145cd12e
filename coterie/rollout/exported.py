"""What the controller exports of a rollout. No label holds a digest: there are ever new ones."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from coterie import metric_names
from coterie.rollout.plan import SIGNALS
from coterie.rollout.state import Phase, State, Transition, TransitionCause

FORCED: Final = "forced"
_VERDICTS: Final = {
    TransitionCause.CRASHED: "crashed",
    TransitionCause.PREFLIGHT: "preflight",
    TransitionCause.COMMAND: FORCED,
    TransitionCause.METRICS: "metrics",
}
REASONS: Final = (*SIGNALS, *_VERDICTS.values())
"""All reasons for which a release is taken back, or promoted in spite of what is known."""


class RolloutMetrics:
    """Gauges and a counter; told of the state after each turn."""

    def __init__(self, registry: CollectorRegistry):
        self._phase = Gauge(
            metric_names.ROLLOUT_STATE,
            "1 for the phase the rollout is in",
            ["phase"],
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self._weight = Gauge(
            metric_names.ROLLOUT_WEIGHT,
            "Share of shoppers meant for the canary",
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self._verdicts = Counter(
            metric_names.ROLLOUT_VERDICTS,
            "Releases taken back, or promoted by force, by reason",
            ["reason"],
            registry=registry,
        )
        self._unavailable_s = Gauge(
            metric_names.ROLLOUT_DATA_UNAVAILABLE,
            "For how long there has been nothing to decide by: no metrics, or strangers alone",
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self._quarantined = Gauge(
            metric_names.ROLLOUT_QUARANTINED,
            "Releases in quarantine",
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        for reason in REASONS:
            self._verdicts.labels(reason)

    def show(self, state: State, transitions: Iterable[Transition], now: float) -> None:
        """Set all gauges to the state of a turn, and count the verdicts in it."""
        for phase in Phase:
            self._phase.labels(phase.value).set(phase is state.phase)
        self._weight.set(state.target.weight)
        held = state.phase is Phase.DATA_UNAVAILABLE
        self._unavailable_s.set(now - state.held_since if held else 0.0)
        self._quarantined.set(len(state.quarantine))
        for transition in transitions:
            reason = verdict(transition)
            if reason:
                self._verdicts.labels(reason).inc()

    def hide(self) -> None:
        """Show no phase: another controller acts, and shows it."""
        for phase in Phase:  # where processes share a folder, series cannot be taken back
            self._phase.labels(phase.value).set(0)


def verdict(transition: Transition) -> str:
    """Give the one of REASONS that a transition counts under; empty: it is no verdict."""
    if transition.after is Phase.PROMOTED:
        return FORCED if transition.cause is TransitionCause.COMMAND else ""
    if transition.after is not Phase.ROLLING_BACK or transition.cause is None:
        return ""
    return transition.signal or _VERDICTS.get(transition.cause, "")
