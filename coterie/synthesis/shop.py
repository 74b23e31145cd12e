"""A shop, learned whole, and shops of other people drawn from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from coterie.synthesis.acquaintance import Acquaintances, learn_acquaintances
from coterie.synthesis.baskets import Baskets, learn_baskets
from coterie.synthesis.clock import ShopClock
from coterie.synthesis.doings import Doings, learn_doings
from coterie.synthesis.made_up import MadeUpShop, ShopModel
from coterie.synthesis.samplers import (
    Learner,
    RealPeople,
    Sampler,
    learn_adversarial,
    learn_columns,
    learn_copula,
    learn_neighbours,
)
from coterie.synthesis.settings import SynthesisSettings
from coterie.synthesis.simulated import fit_simulator
from coterie.synthesis.source import Doubles, SourceShop, had_matrix
from coterie.synthesis.traits import (
    ColumnQuantiles,
    Traits,
    directions,
    normal_scores,
    traits_of,
)

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LearnedShop:
    """People drawn first, then whom they know, what they have, and what they do with it."""

    num_people: int
    groups: Doubles
    """Share of people in each community."""
    columns: ColumnQuantiles
    sampler: Sampler
    baskets: Baskets
    acquaintances: Acquaintances
    doings: Doings
    clock: ShopClock | None
    """None: nobody knows when anything was done."""
    price: Doubles
    named: float

    def draw(self, num_people: int, rng: np.random.Generator) -> MadeUpShop:
        """Draw a shop of so many people."""
        group = rng.choice(len(self.groups), num_people, p=self.groups)
        table = self.columns.values(self.sampler.draw(group, rng))
        traits = Traits.from_table(table, group)
        ties = self.acquaintances.draw(traits, rng)
        wanted, beside = traits.counts[:, :2].astype(np.int64).T
        pairs = self.baskets.draw(traits.taste, (wanted, beside), rng)
        events, part = self.doings.draw(pairs, traits, ties, self.price, self.clock, rng)
        return MadeUpShop(num_people, events, part, ties, rng.random(num_people) < self.named)


LEARNERS: Final[Mapping[str, Learner]] = {
    "neighbours": learn_neighbours,
    "copula": learn_copula,
    "columns": learn_columns,
    "adversarial": learn_adversarial,
}


def learn_shop(
    source: SourceShop, settings: SynthesisSettings, told: Told = lambda _: None
) -> ShopModel:
    """Learn a shop by the generator that is asked for; ``told`` hears what is next.

    Raises:
        BadInputError: There are too few people or items.
    """
    rng = np.random.default_rng(settings.seed)
    told("tastes")
    pairs = source.pairs()
    clock = ShopClock.of(source.events.ts_ms) if source.is_dated else None
    loadings = directions(pairs, source, settings.tastes, settings.seed)
    some = clock or ShopClock.of_counts(0, np.ones(1), np.ones(24))
    traits = traits_of(source, pairs, loadings, some, settings.least_group)
    num_groups = int(traits.group.max()) + 1
    told("baskets")
    alone = settings.generator == "columns"
    baskets = learn_baskets(source, pairs, loadings)
    told("ties")
    acquaintances = learn_acquaintances(source.ties, traits, num_groups, rng, by_degree=alone)
    told("people")
    columns, doings = ColumnQuantiles.of(traits.table), learn_doings(source, pairs, clock)
    if settings.generator == "simulator":
        return fit_simulator(source, num_groups, acquaintances, doings, clock)
    people = RealPeople(
        scores=normal_scores(traits.table, rng),
        group=traits.group,
        num_groups=num_groups,
        src=source.ties.src_idx,
        dst=source.ties.dst_idx,
        tastes=loadings.shape[1],
        had=had_matrix(source),
        columns=columns,
        baskets=baskets,
        acquaintances=acquaintances,
        steps=settings.steps,
    )
    return LearnedShop(
        num_people=source.num_people,
        groups=np.bincount(traits.group, minlength=num_groups) / source.num_people,
        columns=columns,
        sampler=LEARNERS[settings.generator](people, rng),
        # Items are columns as well: each is had by chance, whatever else somebody has.
        baskets=replace(baskets, popular=1.0) if alone else baskets,
        acquaintances=acquaintances,
        doings=doings,
        clock=clock,
        price=source.price,
        named=source.named,
    )
