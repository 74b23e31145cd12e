"""The life of a simulated shop, day by day: who comes, what they look at, who tells whom."""

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints
from coterie.data.simulate.assortment import Assortment, unit
from coterie.data.simulate.config import ShopConfig
from coterie.data.simulate.diffusion import Diffusion
from coterie.data.simulate.people import Acquaintance, People, draw
from coterie.data.simulate.traffic import Traffic
from coterie.data.simulate.visits import (
    BOUGHT,
    CAUSES,
    DAY_MS,
    MAX_VISITS,
    VISIT_MS,
    Cause,
    Visits,
    go_on,
    match,
)
from coterie.progress import Progress, silent

_CANDIDATES = 12
"""Items that a shopper passes on a shelf before looking at one."""
_FOND_OF_SHELF, _FOND_OF_ITEM = 9.0, 9.0
_EAGER = 0.7
_SHARES_BOUGHT, _SHARES_CLICKED = 0.25, 0.02


def live(
    config: ShopConfig,
    assortment: Assortment,
    people: People,
    ties: Acquaintance,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> tuple[Visits, Floats]:
    """Simulate all visits, in the order of days, and everybody's taste at the end."""
    life = Life(config, assortment, people, Diffusion(ties, config.num_users), rng)
    for day in range(config.days):
        life.pass_day(day)
        progress("simulating days", day + 1, config.days)
    return Visits.concat(life.parts), life.taste


class Life:
    """A shop in motion: what changes from day to day."""

    def __init__(
        self,
        config: ShopConfig,
        assortment: Assortment,
        people: People,
        diffusion: Diffusion,
        rng: np.random.Generator,
    ) -> None:
        self.config, self.assortment, self.people = config, assortment, people
        self.diffusion, self.rng = diffusion, rng
        self.taste = people.taste.copy()
        self.parts: list[Visits] = []
        self._bought = np.zeros(0, np.int64)
        """Sorted user * num_items + item."""
        self._traffic = Traffic(config, people)
        self._num_visits = 0

    def pass_day(self, day: int) -> None:
        """Simulate one day: tastes drift, shoppers come, some because a friend bought."""
        self._drift()
        pull = self.assortment.pull(day)
        own, caused = self._traffic.plan(day)
        told = self._come_by_friends(day, caused, pull > 0)
        alone = self._come_alone(day, own, pull)
        visits = self._go_through(Visits.concat([told, alone]))
        self._traffic.learn(visits)
        self.diffusion.spread(visits, self._num_visits, day, self.rng)
        self.parts.append(visits)
        self._num_visits += len(visits)
        keys = self._key(visits.user, visits.item)[visits.reach == BOUGHT]
        self._bought = np.union1d(self._bought, keys)

    def _drift(self) -> None:
        noise = self.rng.standard_normal(self.taste.shape, dtype=np.float32)
        self.taste = unit(self.taste + self.config.drift / np.sqrt(noise.shape[1]) * noise)

    def _come_alone(self, day: int, wanted: int, pull: npt.NDArray[np.float64]) -> Visits:
        """Draw visits in sessions, by taste or with the crowd."""
        weight = self.people.activity * (self.people.arrives <= day)
        if wanted == 0 or not weight.any() or not pull.any():
            return _visits()
        per_session = np.minimum(self.rng.geometric(0.35, wanted), MAX_VISITS)
        per_session = per_session[: int(np.searchsorted(np.cumsum(per_session), wanted)) + 1]
        session = np.repeat(np.arange(len(per_session)), per_session)
        number = np.arange(len(session)) - np.repeat(
            np.cumsum(per_session) - per_session, per_session
        )
        shopper = draw(weight, len(per_session), self.rng)
        user = shopper[session]
        start = self._start(day, len(per_session))[session] + number * VISIT_MS
        crowd = self.rng.random(len(user)) < self.config.crowd
        item = np.where(
            crowd, draw(pull, len(user), self.rng), self._choose(shopper, session, pull)
        )
        cause = np.where(crowd, CAUSES.index(Cause.POPULARITY), CAUSES.index(Cause.TASTE))
        return _visits(user, item, start + self.rng.integers(0, 50_000, len(user)), cause)

    def _choose(self, shopper: Ints, session: Ints, pull: npt.NDArray[np.float64]) -> Ints:
        """Choose an item for each visit by taste: a shelf, then the best of what one passes."""
        shelf = self._choose_shelf(shopper, session, pull)
        candidates = self._pass_along(shelf, pull)
        fond = _FOND_OF_ITEM * match(self.taste, self.assortment, shopper[session], candidates)
        best = np.argmax(fond + self.rng.gumbel(size=fond.shape), axis=1)
        chosen: Ints = candidates[np.arange(len(best)), best]
        return chosen

    def _choose_shelf(self, shopper: Ints, session: Ints, pull: npt.NDArray[np.float64]) -> Ints:
        """Choose a shelf for each visit; most stay at the session's first shelf."""
        stock = np.bincount(self.assortment.shelf, pull, len(self.assortment.shelf_vector))
        # Large shelves draw somewhat more; empty ones nobody.
        with np.errstate(divide="ignore"):
            known = 0.5 * np.log(stock)
        fond = _FOND_OF_SHELF * (self.taste[shopper] @ self.assortment.shelf_vector.T) + known
        chance = np.cumsum(np.exp(fond - fond.max(axis=1, keepdims=True)), axis=1)
        first = self._pick(chance)[session]
        again = self._pick(chance[session])
        return np.where(self.rng.random(len(session)) < 0.6, first, again)

    def _pick(self, cumulative: npt.NDArray[np.float64]) -> Ints:
        """Draw a column of each row, by cumulative weights."""
        level = self.rng.random((len(cumulative), 1)) * cumulative[:, -1:]
        column: Ints = (cumulative <= level).sum(axis=1)
        return column

    def _pass_along(self, shelf: Ints, pull: npt.NDArray[np.float64]) -> Ints:
        """Draw items of each visit's shelf by pull, shape (len(shelf), _CANDIDATES)."""
        order = np.argsort(self.assortment.shelf, kind="stable")
        cumulative = np.concatenate([[0.0], np.cumsum(pull[order])])
        ends = np.cumsum(np.bincount(self.assortment.shelf, minlength=int(shelf.max()) + 1))
        low = cumulative[np.concatenate([[0], ends])[shelf]][:, None]
        high = cumulative[ends[shelf]][:, None]
        level = low + self.rng.random((len(shelf), _CANDIDATES)) * (high - low)
        rank = np.searchsorted(cumulative[1:], level, side="right")
        passed: Ints = order[np.minimum(rank, len(order) - 1)]
        return passed

    def _come_by_friends(self, day: int, wanted: int, on_sale: npt.NDArray[np.bool_]) -> Visits:
        """Draw visits of those who heard of a friend's purchase, the most receptive first."""
        heard = self.diffusion.due(day)
        heard = heard.take(on_sale[heard.item])
        if wanted == 0 or len(heard.user) == 0:
            return _visits()
        pleased = match(self.taste, self.assortment, heard.user, heard.item)
        appeal = (
            np.log(heard.closeness)
            + np.log(self.people.openness[heard.user] * self.people.activity[heard.user] + 1e-9)
            + 3.0 * pleased
            + 0.7 * heard.shared
            + self.rng.gumbel(size=len(pleased))
        )
        heard = heard.take(np.argsort(-appeal, kind="stable")[:wanted])
        cause = np.where(heard.shared, CAUSES.index(Cause.SHARE), CAUSES.index(Cause.FRIEND))
        start = self._start(day, len(heard.user))
        return _visits(heard.user, heard.item, start, cause, heard.friend, heard.source)

    def _start(self, day: int, count: int) -> Ints:
        """Draw when sessions begin: around noon or in the evening.

        None is so late that it passes midnight, nor before all of yesterday's have ended.
        """
        evening = self.rng.random(count) < 0.6
        hour = np.where(
            evening, self.rng.normal(20.0, 1.6, count), self.rng.normal(12.5, 2.5, count)
        )
        return day * DAY_MS + (np.clip(hour, 6.0, 22.9) * 3_600_000).astype(np.int64)

    def _go_through(self, visits: Visits) -> Visits:
        """Decide how far each visit goes; nobody looks twice a day, or again at what they own."""
        key = self._key(visits.user, visits.item)
        _, first = np.unique(key, return_index=True)
        first.sort()
        visits = visits.take(first[~np.isin(key[first], self._bought, assume_unique=True)])
        pleased = match(self.taste, self.assortment, visits.user, visits.item)
        reach = go_on(pleased, (visits.friend >= 0).astype(np.float32), self.rng, _EAGER)
        tells = np.array([0, _SHARES_CLICKED, _SHARES_CLICKED, _SHARES_BOUGHT])[reach]
        shared = self.rng.random(len(visits)) < tells
        return Visits(
            visits.user,
            visits.item,
            visits.ts_ms,
            visits.cause,
            visits.friend,
            visits.source,
            reach,
            shared,
        )

    def _key(self, user: Ints, item: Ints) -> Ints:
        return user * self.config.num_items + item


def _visits(
    user: Ints | None = None,
    item: Ints | None = None,
    ts_ms: Ints | None = None,
    cause: Ints | None = None,
    friend: Ints | None = None,
    source: Ints | None = None,
) -> Visits:
    """Make visits that have not gone anywhere yet; none without arguments."""
    if user is None or item is None or ts_ms is None or cause is None:
        none = np.zeros(0, np.int64)
        return _visits(none, none, none, none)
    nobody = np.full(len(user), -1, np.int64)
    return Visits(
        user=user,
        item=item,
        ts_ms=ts_ms,
        cause=cause.astype(np.int8),
        friend=nobody if friend is None else friend,
        source=nobody if source is None else source,
        reach=np.zeros(len(user), np.int8),
        shared=np.zeros(len(user), np.bool_),
    )
