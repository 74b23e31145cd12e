"""The social model's batches drawn on the device that learns from them, in shapes that stay.

A GPU does a step in less time than a processor takes to make a batch, or to tell it of each of a
step's kernels. So all that batches are made of lies on the device, a batch is made by operations
there, and its shapes do not depend on who is in it: a step can be captured once and replayed. What
fills a shape up belongs to a few shoppers and people more, whom nothing is asked of.

Drawn from the same random numbers a batch has the same loss as ``SocialTrainee.batch`` gives it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Floats, Ints
from coterie.data.polarity import is_target
from coterie.models.masked_batch import ItemSample, MaskedBatch
from coterie.models.social_config import SocialConfig
from coterie.recommend.batches import Community
from coterie.recommend.encoder import ShopperTensors
from coterie.training.cosine_softmax import Targets

NOWHERE: Final = 1e4
"""Log odds of a place in the softmax that no item has: its chance is 0 in single precision."""
_ROUND: Final = 1024
"""Shapes are multiples of this: kernels like them, and few epochs need another one."""


_FILLERS: Final = 64
"""Shoppers that fill a batch up: a sum goes through one's entries in turn, so that none may have
all that fill it."""
_MORE_FILLERS: Final = 512
"""People who fill friends up, of whom there are more."""


class Shapes(NamedTuple):
    """How much of each a batch has room for."""

    own: int
    """History entries of a batch's shoppers."""
    ties: int
    """Ties of theirs."""
    others: int
    """History entries of their friends, once a tie."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of different lengths, on the device."""

    start: torch.Tensor
    """Shape (n,): where each one's entries begin."""
    count: torch.Tensor
    """Shape (n,)."""

    @classmethod
    def of(cls, offsets: Ints, device: torch.device) -> "_Rows":
        """Copy compressed rows, and add an empty one behind them."""
        there = torch.from_numpy(offsets).to(device)
        return cls(there, torch.cat([there.diff(), there.new_zeros(1)]))


class _Taken(NamedTuple):
    """Entries of n rows, one after the other, in a shape with room for more."""

    row: torch.Tensor
    """Shape (size,): the row of each; n where there is none."""
    entry: torch.Tensor
    """Shape (size,); 0 where there is none."""
    ends: torch.Tensor
    """Shape (n,): where each row ends."""


class DeviceBatches:
    """Batches of a training set's learners, made on a device; see ``loop.DrawnBatches``."""

    def __init__(
        self,
        config: SocialConfig,
        community: Community,
        log_not_asked: Floats,
        order_of: Callable[[int], Ints],
        device: torch.device,
        target_weight: Floats | None = None,
    ):
        """Copy a community to the device.

        Args:
            config: Of the model.
            community: Everyone.
            log_not_asked: See ``SocialTrainee``, shape (items,).
            order_of: Gives an epoch's shoppers in their order, filled up to whole batches.
            device: That learns.
            target_weight: How much targets count, by item, shape (items,); all alike if not given.
        """
        histories = community.histories
        if config.dislike_weight == 0:
            histories = histories.where(~histories.against)
        self._config, self._order_of, self._device = config, order_of, device
        self._histories = _Rows.of(histories.offsets, device)
        self._friends = _Rows.of(community.friends.offsets, device)
        self._nobody = histories.num_people
        self._item = self._there(histories.item_idx)
        self._kind = self._there(histories.kind).long()
        self._age = self._there(histories.age_days)
        against = histories.against
        self._sign = self._there(histories.signs(config.dislike_weight)) if against.any() else None
        had = is_target(histories.kind) & ~against
        weight = np.where(had, 1.0, np.where(against, 0.0, config.weak_event_weight))
        if config.use_times:
            weight *= (1.0 + histories.age_days) ** -config.target_decay
        if target_weight is not None:
            weight *= target_weight[histories.item_idx]
        self._had, self._weight = self._there(had), self._there(weight.astype(np.float32))
        # One more, so that there is one where nobody has a tie.
        self._person = self._there(np.append(community.friends.person, 0))
        self._strengths = self._there(np.pad(community.friends.strengths, ((0, 1), (0, 0))))
        self._log_not_asked = self._there(log_not_asked)
        self._each = _sizes(histories.offsets, community.friends.offsets, community.friends.person)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._order = torch.zeros(0, dtype=torch.int64, device=device)
        self._shapes = Shapes(0, 0, 0)

    def _there(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def begin(self, epoch: int) -> Shapes:
        """Put an epoch's shoppers in their order, and say what its batches have room for: the same
        for most epochs, whatever was trained before."""
        order = self._order_of(epoch)
        most = np.add.reduceat(
            self._each[order], np.arange(0, len(order), self._config.batch_size)
        ).max(axis=0)
        usual = _usual(self._each[np.unique(order)], self._config.batch_size)
        room = np.ceil(np.maximum(most, usual) / _ROUND) * _ROUND
        self._shapes = Shapes(*room.astype(int).tolist())
        there = torch.from_numpy(order).to(self._device)
        if len(self._order) == len(there):
            # A step that was captured reads from where the order was.
            self._order.copy_(there)
        else:
            self._order = there
        self._step.zero_()
        return self._shapes

    def draw(self) -> tuple[MaskedBatch, ...]:
        """Make the next batch of the epoch for each head; nothing waits for the device."""
        size = self._config.batch_size
        place = self._step * size + torch.arange(size, device=self._device)
        self._step.add_(1)
        # After the last one a step still draws what nobody will take.
        users = self._order.index_select(0, place % len(self._order))
        own = _take(self._histories, users, self._histories.count[users], self._shapes.own)
        return tuple(self._batch(users, own) for _ in range(self._config.heads))

    def _batch(self, users: torch.Tensor, own: _Taken) -> MaskedBatch:
        there = own.row < len(users)
        kept = self._kept(own, self._histories.count[users])
        weight, age = self._weight[own.entry], self._age[own.entry]
        left_out = there & ~kept & (weight > 0)
        known = there & kept & self._had[own.entry]
        people, keep = self._people(users, own, kept & there, age)
        # Rows that nobody looks at, each another one: gradients of one are added up in turn.
        spread = torch.arange(len(own.row), device=self._device) % len(self._log_not_asked)
        item = torch.where(there, self._item[own.entry], spread)
        candidate, known_row, known_place, sample = item, own.row, item, None
        if len(self._log_not_asked) > self._config.softmax_items:
            sample, place, drawn = self._sample(item, left_out)
            candidate = known_place = place[item]
            known = known & drawn[item]
        # What is not known is said of the first shopper who is none.
        known_row = torch.where(known, known_row, len(users))
        weight = torch.where(left_out, weight, 0.0)
        targets = Targets(own.row, candidate, weight, known_row, known_place)
        return MaskedBatch(people, keep, targets, sample)

    def _kept(self, own: _Taken, counts: torch.Tensor) -> torch.Tensor:
        """See ``SocialTrainee``."""
        config = self._config
        kept = self._random(len(own.row)) >= config.entry_dropout
        if config.next_item_share == 0 or not config.use_times:
            return kept
        most = 2 * config.entry_dropout * counts
        hidden = (most * self._random(len(counts)) + self._random(len(counts))).floor()
        looks_ahead = self._random(len(counts)) < config.next_item_share
        row = own.row.clamp_max(len(counts) - 1)
        rank = torch.arange(len(row), device=self._device) - (own.ends - counts)[row]
        return torch.where(looks_ahead[row], rank >= hidden[row], kept)

    def _people(
        self, users: torch.Tensor, own: _Taken, kept: torch.Tensor, age: torch.Tensor
    ) -> tuple[ShopperTensors, torch.Tensor]:
        """Give the shoppers, their friends once a tie, and who fills both up; and what is kept of
        their histories."""
        b, shapes = len(users), self._shapes
        counts = self._friends.count[users]
        counts = torch.where(self._random(b) < self._config.friend_dropout, 0, counts)
        ties = _take(self._friends, users, counts, shapes.ties)
        person = torch.where(ties.row < b, self._person[ties.entry], self._nobody)
        theirs = _take(self._histories, person, self._histories.count[person], shapes.others)
        is_there = theirs.row < len(person)
        entry = torch.cat([own.entry, theirs.entry])
        keep = torch.cat([kept, is_there])
        spread = torch.arange(len(entry), device=self._device) % len(self._log_not_asked)
        there = torch.cat([own.row < b, is_there])
        begin = own.ends.new_zeros(1)
        owned, tied = _filled(own.ends, shapes.own), _filled(ties.ends, shapes.ties)
        others = shapes.own + _filled(theirs.ends, shapes.others, _MORE_FILLERS)
        ages = torch.cat([_since_newest(age, kept, own.row, b), self._age[theirs.entry]])
        people = ShopperTensors(
            offsets=torch.cat([begin, owned, others]),
            item=torch.where(there, self._item[entry], spread),
            kind=self._kind[entry],
            log_age=ages.log1p(),
            sign=None if self._sign is None else self._sign[entry],
            friend_offsets=torch.cat([begin, tied]),
            person=b + _FILLERS + torch.arange(shapes.ties, device=self._device),
            strengths=self._strengths[ties.entry],
        )
        return people, keep.float()

    def _sample(
        self, asked: torch.Tensor, left_out: torch.Tensor
    ) -> tuple[ItemSample, torch.Tensor, torch.Tensor]:
        """Choose the items of one softmax; with the place of each item there, and who has one."""
        num_items, most = len(self._log_not_asked), self._config.softmax_items
        size = min(most + self._shapes.own, num_items)
        chosen = self._random(num_items).topk(most, sorted=False).indices
        drawn = asked.new_zeros(num_items + 1, dtype=torch.bool)
        drawn.scatter_(0, chosen, True)
        drawn.scatter_(0, torch.where(left_out, asked, num_items), True)
        drawn = drawn[:num_items]
        count = drawn.cumsum(0)
        every = torch.arange(num_items, device=self._device)
        items = torch.arange(size + 1, device=self._device) % num_items
        items = items.scatter_(0, torch.where(drawn, count - 1, size), every)[:size]
        missed = (1.0 - most / num_items) * torch.exp(left_out.sum() * self._log_not_asked[items])
        log_odds = torch.log1p(-missed).float()
        is_one = torch.arange(size, device=self._device) < count[-1]
        sample = ItemSample(items, torch.where(is_one, log_odds, NOWHERE))
        return sample, (count - 1).clamp_min(0), drawn

    def _random(self, size: int) -> torch.Tensor:
        return torch.rand(size, device=self._device)


def _take(rows: _Rows, which: torch.Tensor, counts: torch.Tensor, size: int) -> _Taken:
    """Take so many entries of some rows, in a shape with room for ``size`` of them."""
    ends = counts.cumsum(0)
    place = torch.arange(size, device=ends.device)
    row = torch.searchsorted(ends, place, right=True)
    known = row.clamp_max(len(which) - 1)
    entry = (rows.start[which] - ends + counts)[known] + place
    return _Taken(row, torch.where(row < len(which), entry, 0), ends)


def _filled(ends: torch.Tensor, size: int, fillers: int = _FILLERS) -> torch.Tensor:
    """Add the ends of rows that share what is left of a shape, shape (n + fillers,)."""
    left = size - ends[-1]
    share = torch.arange(1, fillers + 1, device=ends.device)
    return torch.cat([ends, ends[-1] + share * left // fillers])


def _since_newest(age: torch.Tensor, kept: torch.Tensor, row: torch.Tensor, b: int) -> torch.Tensor:
    """See ``SocialTrainee``."""
    newest = age.new_full((b + 1,), torch.inf)
    newest = newest.scatter_reduce(0, row, torch.where(kept, age, torch.inf), "amin")
    newest = torch.where(newest.isinf(), 0.0, newest)
    return (age - newest[row]).clamp_min(0.0)


def _sizes(offsets: Ints, friend_offsets: Ints, person: Ints) -> Ints:
    """Count own entries, ties and friends' entries of everyone, shape (people, 3)."""
    own, ties = np.diff(offsets), np.diff(friend_offsets)
    before = np.concatenate([[0], np.cumsum(own[person])])
    return np.stack([own, ties, np.diff(before[friend_offsets])], axis=1)


def _usual(each: Ints, batch_size: int) -> npt.NDArray[np.float64]:
    """Bound what a batch of shoppers has: its mean, and six standard deviations more."""
    spread = each.std(axis=0) * np.sqrt(batch_size)
    return np.asarray(each.mean(axis=0) * batch_size + 6.0 * spread + 1.0)
