"""How many visits each simulated day has."""

import numpy as np

from coterie.data.simulate.config import ShopConfig
from coterie.data.simulate.people import People
from coterie.data.simulate.visits import BOUGHT, Visits

REVIEWS = 0.25
"""Purchases that are rated or reviewed later."""


class Traffic:
    """How many visits a day takes so that the shop ends with the events and influence asked for."""

    def __init__(self, config: ShopConfig, people: People) -> None:
        self._config = config
        here = people.arrives[None, :] <= np.arange(config.days)[:, None]
        weekly = np.array([0.95, 0.9, 0.92, 0.97, 1.05, 1.15, 1.06])
        crowd = (here * people.activity).sum(axis=1) * weekly[np.arange(config.days) % 7]
        self._crowd = crowd
        self._events_a_visit = 2.4
        self._chance = np.array([0.25, 0.40])
        """Purchases a visit: alone, by friends."""
        self._planned = 0
        self._kept = 1.0
        """Visits a planned one: nobody comes twice a day for an item, or for one that they own."""
        self._events = 0.0
        self._bought = 0.0
        self._caused = 0.0

    def plan(self, day: int) -> tuple[int, int]:
        """Plan the visits of a day: alone, by friends."""
        left = self._crowd[day:].sum()
        if left == 0:
            return 0, 0
        events = max(self._config.num_events - self._events, 0.0) * self._crowd[day] / left
        # What falls away is made up for on the same day: owed to all days that are left, it would
        # heap up on the last.
        visits = events / (self._events_a_visit * self._kept)
        share = self._config.influence
        alone, by_friends = self._chance
        # Purchases by friends are ``share`` of today's, and make up for days with too few.
        caused = share * alone * visits / ((1 - share) * by_friends + share * alone)
        owed = (share * self._bought - self._caused) / max(by_friends, 1e-6)
        caused = float(np.clip(caused + 0.5 * owed, 0.0, 0.6 * visits)) if share else 0.0
        alone_today, caused_today = round(visits - caused), round(caused)
        self._planned = alone_today + caused_today
        return alone_today, caused_today

    def learn(self, visits: Visits) -> None:
        """Look at how a day went."""
        if self._planned >= 20:
            # A shop where nearly everything is owned would plan without end.
            self._kept = 0.7 * self._kept + 0.3 * max(len(visits) / self._planned, 0.5)
        if len(visits) == 0:
            return
        bought, caused = visits.reach == BOUGHT, visits.friend >= 0
        events = float((visits.reach + 1 + visits.shared).sum() + REVIEWS * bought.sum())
        self._events += events
        self._events_a_visit = 0.7 * self._events_a_visit + 0.3 * events / len(visits)
        self._bought += float(bought.sum())
        self._caused += float((bought & caused).sum())
        for kind, rows in enumerate((~caused, caused)):
            if rows.sum() >= 20:
                self._chance[kind] = 0.7 * self._chance[kind] + 0.3 * bought[rows].mean()
