"""Start a rollout or take one back, and wait for what becomes of it: for programs."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from coterie.errors import BadInputError, UnavailableError
from coterie.progress import Progress, silent
from coterie.retries import until_available
from coterie.rollout.api import ENDED, RolloutApi, stage_status
from coterie.rollout.figures import ALL

LOOK_S: Final = 5.0
PATIENCE_S: Final = 600.0
"""So long the app may be away before the wait is given up; the rollout goes on without us."""
UNDER_WAY: Final = frozenset({"preflight", "shadow", "step", "bake"})
BACK: Final = frozenset({"rolling_back", "rolled_back"})
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RolloutClient:
    """Commands the rollouts of an app, and watches them."""

    api: RolloutApi
    who: str
    """Stands in the audit log."""
    progress: Progress = silent
    say: Say = print
    look_s: float = LOOK_S
    patience_s: float = PATIENCE_S

    def start(self, release: str, reason: str, plan: Mapping[str, Any], wait_s: float) -> bool:
        """Roll a release out.

        Begun already, by a step that died since, it is not begun again.

        Args:
            release: Its version.
            reason: Why, for the audit log.
            plan: What differs from ``coterie.rollout.plan.Plan``.
            wait_s: How long to wait for the verdict; 0 waits for none.

        Returns:
            Whether it was promoted while we waited.

        Raises:
            BadInputError: The app refuses it, or it was rolled back.
            UnavailableError: The app does not answer, or there is no verdict yet.
        """
        told = self._told()
        if _named(told, "stable") == release:
            self.say(f"{release} is what shoppers get already")
            return True
        begun = _runs(told, release)
        if not begun:
            body = {"release": release, "reason": reason, "who": self.who}
            receipt = self._patiently(lambda: self.api.post("", body | _given(plan)))
            begun = bool(receipt["carried_out"])
            self.say(f"{release}: " + ("begun" if begun else "asked for"))
        if wait_s <= 0:
            return False
        decided = _Verdict(release, begun)
        ended = self._wait(decided, wait_s, f"verdict on {release}")
        if _named(ended, "stable") == release:
            self.say(f"{release} was promoted")
            return True
        raise BadInputError(f"{release} was rolled back: {_why(ended)}")

    def back(self, reason: str, wait_s: float) -> str:
        """Take back what is being rolled out, or else go back to the release before.

        Args:
            reason: Why, for the audit log.
            wait_s: How long to wait until shoppers get it.

        Returns:
            The version that shoppers get then.

        Raises:
            BadInputError: The app refuses, or there was no release before.
            UnavailableError: The app does not answer, or it takes longer.
        """
        told = self._told()
        if _active(told) in UNDER_WAY:
            self._command("rollback", reason)
        elif _active(told) != "rolling_back":
            return self._return(told, reason, wait_s)
        ended = self._wait(lambda now: now["phase"] == "rolled_back", wait_s, "end of the rollback")
        return _named(ended, "stable")

    def _return(self, told: Mapping[str, Any], reason: str, wait_s: float) -> str:
        """Roll the release before out, and promote it as soon as it is known to run."""
        release = self._before(told)
        # What is live may be what is wrong: it says nothing against the release before it.
        plan = {"override": [ALL]}
        body = {"release": release, "reason": reason, "who": self.who, "plan": plan}
        receipt = self._patiently(lambda: self.api.post("", body))
        self.say(f"going back to {release}")
        decided = _Verdict(release, bool(receipt["carried_out"]))

        def promotable(now: Any) -> bool:
            return decided(now) or (_runs(now, release) and _active(now) != "preflight")

        now = self._wait(promotable, wait_s, f"start of {release}")
        if not decided(now):
            self._command("promote", reason)
            now = self._wait(decided, wait_s, f"return to {release}")
        if _named(now, "stable") != release:
            raise BadInputError(f"{release} does not run any more: {_why(now)}")
        return release

    def _before(self, told: Mapping[str, Any]) -> str:
        """Find the version that was stable before the present one."""
        current = (told["stable"] or {}).get("digest")
        log = self._patiently(lambda: self.api.get("/history", limit=200))
        for line in log["transitions"]:
            if line["stable"] and line["stable"] != current:
                return str(log["versions"].get(line["stable"], line["stable"]))
        raise BadInputError(
            "nothing is being rolled out, and the log knows of no release before this one: start "
            "one with coterie rollout start"
        )

    def _command(self, verb: str, reason: str) -> None:
        self._patiently(lambda: self.api.post(f"/{verb}", {"reason": reason, "who": self.who}))
        self.say(f"{verb}: {reason}")

    def _told(self) -> Any:
        return self._patiently(self.api.get)

    def _wait(self, done: Callable[[Any], bool], wait_s: float, for_what: str) -> Any:
        until, said = time.monotonic() + wait_s, ""
        while True:
            told = self._told()
            self.progress(told["where"], *_so_far(told))
            if told["next_step"] != said:
                said = told["next_step"]
                self.say(said)
            if done(told):
                return told
            if time.monotonic() > until:
                raise UnavailableError(
                    f"no {for_what} within {wait_s:.0f} s ({told['where']}): it goes on; "
                    "see coterie rollout status"
                )
            time.sleep(self.look_s)

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        return until_available(ask, self.patience_s, self.look_s, self.say)


def _given(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {"plan": dict(plan)} if plan else {}


def _named(told: Mapping[str, Any], arm: str) -> str:
    """Name the release of an arm by its version, or by its digest where the store knows none."""
    found = told[arm] or {}
    return str(found.get("version") or found.get("digest") or "")


def _active(told: Mapping[str, Any]) -> str:
    """Read the phase, looking through a hold."""
    return str(told["held"] or told["phase"])


def _runs(told: Mapping[str, Any], release: str) -> bool:
    return _named(told, "canary") == release and _active(told) in UNDER_WAY


@dataclass
class _Verdict:
    """Whether the rollout of a release is over: one that ended before it has begun does not count,
    and once it is back nothing but our memory says that it was it."""

    release: str
    begun: bool

    def __call__(self, told: Mapping[str, Any]) -> bool:
        self.begun = self.begun or _runs(told, self.release)
        promoted = _named(told, "stable") == self.release
        return promoted or (self.begun and told["phase"] in ENDED)


def _so_far(told: Mapping[str, Any]) -> tuple[int, int]:
    return sum(stage_status(stage) == "done" for stage in told["track"]), len(told["track"])


def _why(told: Mapping[str, Any]) -> str:
    lines = [one["why"] for one in told["last"] if one["after"] in BACK]
    return str(lines[-1] if lines else told["where"])
