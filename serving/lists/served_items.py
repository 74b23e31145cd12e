"""One release's items at work: what lists and searches ask, as changes of the shop leave it."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from coterie.content.encoder import ContentEncoder
from coterie.data.changes import RowState
from coterie.data.dataset import Floats, Ints
from coterie.data.repurchase import Again
from coterie.graph.friends import FriendLists
from coterie.recommend.batches import RecentColumns, had_before, shopper_from_columns
from coterie.recommend.columns import Mask
from coterie.recommend.recommender import Recommender
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import Asked
from coterie.release.bundle import Release
from coterie.schema import STRENGTHS
from serving.features.online_store import ShopperRow
from serving.features.recent import RecentList
from serving.lists.catalogue import Catalogue
from serving.lists.new_rows import StandIns, catalogue_row, grow
from serving.lists.search import ItemSearch, said_of
from serving.lists.wanted import Wanted
from serving.schemas import Item
from serving.telemetry.metrics import ServingMetrics


class ServedItems:
    """The catalogue, scores and search of one release; several threads may ask at once."""

    def __init__(
        self, release: Release, text_encoder: ContentEncoder | None, metrics: ServingMetrics
    ) -> None:
        """Make a release's items ready to be asked.

        Args:
            release: With vectors of its items, if it has any, which search indexes; they are not
                kept beside that.
            text_encoder: What made the release's vectors of texts, for queries, if there is one.
            metrics: Where searches are timed.

        Raises:
            BadInputError: Its parameters are not a recommender's.
        """
        # What search compares is its own; to keep the others too would take 3.7 KB an item.
        self.release = replace(release, vectors={}, described=None)
        self.catalogue = Catalogue(release)
        self.recommender = Recommender(release.parameters, release.popularity, release.available)
        self.searcher = ItemSearch(release, text_encoder, metrics)
        self.num_released = release.catalogue.num_rows
        """Items of the release itself: the rows of new ones follow."""
        self.version = 0
        """Of changes: up to which this has been told of them."""
        self._days_until_again = _ever(release.days_until_again)
        self._stand_ins = StandIns.of(release)
        self._changing, self._adding = threading.Lock(), threading.Lock()

    def change(self, states: Mapping[str, RowState]) -> dict[str, RowState]:
        """Take changes of items in: the next list knows; quick, and safe while lists are made.

        Returns:
            Those of items that this does not know: they are for ``add``.
        """
        with self._changing:
            rows = [row for row in self.catalogue.rows(list(states)) if row >= 0]
            before = {row: self.catalogue.item(row) for row in rows}
            new = self.catalogue.change(states)
            now = {row: self.catalogue.item(row) for row in rows}
            # Prices and stock change all the time, words seldom: these alone are read anew.
            self.searcher.hear(
                {row: item for row, item in now.items() if said_of(item) != said_of(before[row])}
            )
            return new

    def add(self, states: Mapping[str, RowState]) -> None:
        """Add items that entered the shop after the release was made; safe while lists are made.

        It takes some tenths of a second where items are many: do it in a thread of its own.
        """
        with self._adding:
            new = {i: state for i, state in states.items() if self.catalogue.row(i) < 0}
            if new:
                rows = [catalogue_row(item_id, state) for item_id, state in new.items()]
                vectors = self.searcher.encode(rows)
                meanings = (
                    [None] * len(rows) if vectors is None else map(self.searcher.meanings, vectors)
                )
                grown = grow(self.release, rows, self._stand_ins, list(meanings))
                recommender = Recommender(
                    grown.parameters, grown.popularity, before=self.recommender
                )
                days = grown.days_until_again
                with self._changing:
                    # Lists ask the catalogue first, so whatever that names has to be known here.
                    self._days_until_again, self.recommender = _ever(days), recommender
                    self.release = grown
                    self.catalogue.add(new)
                added = self.catalogue.rows(list(new))
                self.searcher.hear({row: self.catalogue.item(row) for row in added}, vectors)
            self.change(states)
            self.searcher.encode_heard()

    @property
    def num_available(self) -> int:
        """Items that may be listed at this moment."""
        return int(self.catalogue.columns.available.sum())

    def num_allowed(self, wanted: Wanted, allowed: Mask | None = None) -> int:
        """Count the items that a list could be made of; those that its shopper had are among
        them.

        Args:
            wanted: What is asked for.
            allowed: ``Catalogue.allowed`` of it, where that is known already.
        """
        mask = self.catalogue.allowed(wanted) if allowed is None else allowed
        return max(int(np.count_nonzero(mask)) - len(wanted.shown), 0)

    def shoppers(self, row: ShopperRow, friends: Sequence[RecentList]) -> Shoppers:
        """Say in rows of items what is known of one shopper and their friends."""
        own = row.recent
        columns, again = self.columns((own, *friends))
        before = had_before(self.catalogue.rows(own.had_ids), own.had_wanted_ms, again)
        return shopper_from_columns(columns, before, row.friends.strengths, again)

    def columns(self, people: Sequence[RecentList]) -> tuple[RecentColumns, Again | None]:
        """Say in rows of items what several people did lately, and what may be had again now."""
        days = self._days_until_again
        again = None if days is None else Again(days, int(time.time() * 1000))
        item_ids = [item_id for one in people for item_id in one.item_ids]
        return RecentColumns.of(
            list(map(len, people)),
            self.catalogue.rows(item_ids),
            [one.kinds for one in people],
            [one.ts_ms for one in people],
            [one.wanted_ms for one in people],
        ), again

    def alone(self, columns: RecentColumns) -> Asked:
        """Read several people, each by their own history alone."""
        nothing = np.zeros(len(columns.rows) + 1, np.int64)
        friends = FriendLists(nothing, nothing[:0], np.zeros((0, len(STRENGTHS)), np.float32))
        return self.recommender.read(Shoppers(columns.histories, friends, nothing, nothing[:0]))

    def hidden(self, row: ShopperRow, item_ids: Sequence[str]) -> list[str]:
        """Name those of some items that a shopper had and that may not be listed again yet."""
        recent = row.recent
        had = {i for i, ms in zip(recent.item_ids, recent.wanted_ms, strict=True) if ms}
        found = had.union(recent.had_ids).intersection(item_ids)
        if not found:
            return []
        seen = set(self.shoppers(ShopperRow(recent), ()).seen.tolist())
        return [one for one in found if self.catalogue.row(one) in seen]

    def read(self, row: ShopperRow, friends: Sequence[RecentList]) -> Asked:
        """Read what is known of one shopper and their friends, for all that is asked of them."""
        return self.recommender.read(self.shoppers(row, friends))

    def fresh(self, rows: Ints, wanted: Wanted) -> npt.NDArray[np.bool_]:
        """Tell which of these rows no earlier page showed."""
        return wanted.shown.misses([self.catalogue.item_id(row) for row in rows.tolist()])


def _ever(days: Floats) -> Floats | None:
    """Give the days after which items may be listed again; None where none ever may."""
    return days if np.isfinite(days).any() else None


def next_page(shown: Iterable[Item], wanted: Wanted) -> str | None:
    """Make the token of the page after one that shows these items."""
    return wanted.shown.next_page((item.item_id for item in shown), wanted.about)
