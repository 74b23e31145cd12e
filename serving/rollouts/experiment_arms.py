"""The arms of running experiments on one replica: whose they are, and what they show.

What runs is written down in one file, which a thread looks at every other second; requests read
what it found last. Releases of arms are loaded by that thread too, a few at most, and tried before
a shopper gets them.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Final

from coterie.errors import CoterieError
from coterie.experiments.assignment import Draw, draws
from coterie.experiments.communities import CommunityMap
from coterie.experiments.definition import JOINED, MOST_RELEASES, Experiment, ExperimentArm
from coterie.experiments.store import ExperimentStore
from coterie.recommend.rules import ListRules, read_rules
from coterie.rollout.live import ReleaseRef
from coterie.schema import NETWORK_COMMUNITY, SHOPPER_NETWORK_VIEW
from serving.features.online_store import OnlineFeatures
from serving.rollouts.loaded_release import LoadedRelease
from serving.rollouts.workers import ArmWorkers
from serving.telemetry.logs import LOGGER

LOOK_S: Final = 2.0
"""Between two looks at what runs."""
log: Final = logging.getLogger(LOGGER)


@dataclass(frozen=True, slots=True)
class Assigned:
    """What all experiments together say of a shopper's list."""

    experiments: str = ""
    """Names, ``+`` between them; empty: the shopper is in none."""
    arms: str = ""
    """Of each, likewise."""
    chance: float = 1.0
    """Of arms that show just what these do together, all experiments' lots taken together."""
    rules: ListRules | None = None
    """In the place of the shop's; None: the shop's."""
    rules_name: str = ""
    digest: str = ""
    """Of the release that makes the list; empty: what is live does."""
    popular: bool = False
    """Whether the list is of popular items."""
    sides: tuple["Assigned", ...] = ()
    """Two arms that are put into one list, each with what it shows; empty: the list is of one."""

    @property
    def apart(self) -> bool:
        """Whether the list is made apart from any rollout."""
        return bool(self.digest) or self.popular or bool(self.sides)


IN_NONE: Final = Assigned()


@dataclass(frozen=True, slots=True)
class RunningArms:
    """What runs at one moment; replaced whole, never changed."""

    experiments: tuple[Experiment, ...] = ()
    rules: Mapping[tuple[str, str], ListRules] = field(default_factory=dict)
    """Of arms that have their own, by experiment and arm."""
    releases: Mapping[str, LoadedRelease] = field(default_factory=dict)
    """By digest."""
    communities: Mapping[str, CommunityMap] = field(default_factory=dict)
    """As they were when experiments began, by file."""


class ExperimentArms:
    """Says what a shopper's list is to show; of one replica."""

    def __init__(
        self,
        store: ExperimentStore | None,
        features: OnlineFeatures,
        load: Callable[[ReleaseRef], LoadedRelease],
    ) -> None:
        """Begin with nothing that runs.

        Args:
            store: Where experiments are written down; None: there are none.
            features: Know communities, where these are drawn.
            load: Loads a release, and tries it.
        """
        self._store, self._features, self._load = store, features, load
        self.running = RunningArms()
        self._mark, self._said = "", ""
        self._looking = threading.Lock()
        self.workers = ArmWorkers("experiment")

    def start(self) -> None:
        """Look at what runs in a thread, from now on."""
        if self._store is not None:
            threading.Thread(target=self._run, name="experiments", daemon=True).start()

    def look(self) -> None:
        """Take what runs where it has changed.

        Raises:
            BadInputError: What is written down is damaged.
            UnavailableError: The store does not answer.
        """
        if self._store is None:
            return
        with self._looking:
            mark = self._store.mark()
            if mark == self._mark:
                return
            self._take(tuple(one for one in self._store.read() if one.runs))
            self._mark = mark

    def assign(self, user_id: str) -> Assigned:
        """Draw a shopper's arms."""
        running = self.running
        if not running.experiments:
            return IN_NONE
        found = draws(running.experiments, user_id, lambda one: self._community(one, user_id))
        return _together(found, running) if found else IN_NONE

    def _community(self, experiment: Experiment, user_id: str) -> str:
        frozen = self.running.communities.get(experiment.communities)
        if frozen is not None:
            return frozen.named(user_id)
        known = self._features.studied(SHOPPER_NETWORK_VIEW, user_id).get(NETWORK_COMMUNITY)
        return "" if known is None else f"{float(known):g}"

    def _take(self, experiments: tuple[Experiment, ...]) -> None:
        arms = [(one, arm) for one in experiments for arm in one.arms]
        refs = {arm.ref.digest: arm.ref for _, arm in arms if arm.ref and not arm.stopped}
        kept = {d: one for d, one in self.running.releases.items() if d in refs}
        communities = self._communities(experiments)
        # What ended is let go of before anything is loaded: so many are in memory, and no more.
        self.running = replace(self.running, releases=kept)
        for digest, ref in list(refs.items())[:MOST_RELEASES]:
            if digest in kept:
                continue
            try:
                kept = {**kept, digest: self._load(ref)}
            except CoterieError as error:
                # Its shoppers get what is live, which is counted as what the release did.
                fields = {"digest": digest[:12], "why": str(error)}
                log.error("an experiment's release cannot be loaded", extra={"fields": fields})
        rules = {
            (one.name, arm.name): read_rules(arm.rules_text, arm.rules)
            for one, arm in arms
            if arm.rules
        }
        self.running = RunningArms(experiments, rules, kept, communities)
        log.info("experiments", extra={"fields": {"run": [one.name for one in experiments]}})

    def _communities(self, experiments: tuple[Experiment, ...]) -> dict[str, CommunityMap]:
        """Read the communities of those that begin; without them nobody is drawn anew.

        Raises:
            BadInputError: A file is gone.
            UnavailableError: The store does not answer.
        """
        assert self._store is not None
        known, found = self.running.communities, {}
        for name in {one.communities for one in experiments if one.communities}:
            found[name] = known.get(name) or self._store.communities(name)
        return found

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self.look()
                self._said = ""
            except Exception as error:
                # Whatever it is: what ran last goes on, and the next look may go better.
                if self._said != (said := f"{type(error).__name__}: {error}"):
                    self._said = said
                    log.warning("experiments stay as they are: %s", said)
            pause.wait(LOOK_S)


def _together(found: list[Draw], running: RunningArms) -> Assigned:
    """Put the arms of a shopper's experiments together; of two releases the first holds."""
    whole, sides = Assigned(), tuple[Assigned, ...]()
    for one in found:
        if one.experiment.interleave:
            sides = sides or tuple(
                _with(Assigned(arms=arm.name), one.experiment, arm, running)
                for arm in one.experiment.arms
            )
        elif not one.arm.stopped:
            whole = _with(whole, one.experiment, one.arm, running)
    names = JOINED.join(one.experiment.name for one in found)
    whole = replace(
        whole,
        experiments=names,
        arms=JOINED.join(one.arm.name for one in found),
        chance=_chance_of_the_same(found),
    )
    if whole.popular or not sides:
        return whole
    # What another layer's arm shows, an interleaved arm shows as well where it says nothing itself.
    return replace(whole, sides=tuple(_filled(side, whole) for side in sides))


def _chance_of_the_same(found: list[Draw]) -> float:
    """Add up the chances of all arms that would show what these show, as where one was stopped
    beside one that shows what is live, or where another experiment's release goes before."""
    shown = _shown([one.arm for one in found])
    chance = 0.0
    for arms in product(*(_could(one) for one in found)):
        if _shown([arm for arm, _ in arms]) == shown:
            chance += math.prod(of_arm for _, of_arm in arms)
    return chance


def _could(one: Draw) -> list[tuple[ExperimentArm, float]]:
    if one.experiment.interleave:
        return [(one.arm, one.chance)]
    return list(zip(one.experiment.arms, one.experiment.chances, strict=True))


def _shown(arms: Iterable[ExperimentArm]) -> tuple[str, str, bool]:
    """Tell what arms of a shopper show together: release, rules, and whether popular items."""
    digest, rules, popular = "", "", False
    for arm in arms:
        if not arm.stopped:
            digest = digest or (arm.ref.digest if arm.ref else "")
            rules = rules or arm.rules_text
            popular = popular or arm.popular
    return digest, rules, popular


def _with(
    before: Assigned, experiment: Experiment, arm: ExperimentArm, running: RunningArms
) -> Assigned:
    """Add what an arm shows, where nothing was said before."""
    rules, name = before.rules, before.rules_name
    if rules is None and arm.rules:
        rules, name = running.rules.get((experiment.name, arm.name)), arm.rules
    digest = before.digest or (arm.ref.digest if arm.ref else "")
    popular = before.popular or arm.popular
    return replace(before, rules=rules, rules_name=name, digest=digest, popular=popular)


def _filled(side: Assigned, whole: Assigned) -> Assigned:
    own = side.rules is not None
    return replace(
        side,
        rules=side.rules if own else whole.rules,
        rules_name=side.rules_name if own else whole.rules_name,
        digest=side.digest or whole.digest,
    )
