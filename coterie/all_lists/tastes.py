"""What everybody brings to others' lists, summed up once a person instead of once a friendship.

The formulas are those of ``recommend.encoder`` and ``recommend.linear``, written for many people at
once: a friend's taste is the same in the list of whoever they are a friend of. All sums are of
double precision, so that lists come out as those of one shopper at a time do.
"""

import tempfile
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Ints
from coterie.data.ragged import Ragged
from coterie.graph.friends import FriendLists
from coterie.progress import Progress, silent
from coterie.recommend.batches import Community
from coterie.recommend.encoder import of_all_kinds
from coterie.recommend.learned import FriendsFor, encoder_weights
from coterie.recommend.linear import DISLIKE_WEIGHT, LEAST_FRIEND, NAMES, PREFIX
from coterie.recommend.shoppers import Histories
from coterie.recommend.terms import Parameters

Doubles = npt.NDArray[np.float64]
Matrix = Any  # scipy.sparse.csr_matrix of doubles
_CHUNK: Final = 4_096
"""People at a time."""
_WHAT: Final = "tastes"


@dataclass(frozen=True, slots=True)
class SummedVectors:
    """What entries of histories are sums of: the vectors of n items, in double precision."""

    learned: Doubles
    """Shape (n, d): ``item_in``."""
    own: Doubles
    """Shape (n, rank): the closed form's, of own entries; rank 0 where a release has none."""
    friend: Doubles
    """Shape (n, rank): the same of friends'."""

    @classmethod
    def of(cls, parameters: Parameters) -> "SummedVectors":
        """Read them from a release's tensors, under the names of this version."""
        learned = parameters["item_in"].double().numpy()
        if not parameters.keys() & NAMES:
            nothing = np.zeros((len(learned), 0))
            return cls(learned, nothing, nothing)
        own, friend = (parameters[f"{PREFIX}{name}"].double().numpy() for name in ("own", "friend"))
        return cls(learned, own, friend)


class Weights:
    """How much entries and friends count: the few numbers that a release has learned of it."""

    def __init__(self, parameters: Parameters) -> None:
        self.encoder = encoder_weights(parameters)
        self.dislike = float(parameters.get(DISLIKE_WEIGHT, 0.0))
        self.least_friend = float(parameters.get(LEAST_FRIEND, 0.0))
        self.friends_for = FriendsFor(int(parameters.get("friends_for", FriendsFor.EVERYONE)))
        self.has_linear = bool(parameters.keys() & NAMES)
        if self.has_linear:
            kinds = of_all_kinds(parameters[f"{PREFIX}kind"].double(), loudest=1.0)
            self.linear_kind = kinds.numpy()
            self.linear_rate, self.linear_friends, self.linear_history = (
                float(parameters[f"{PREFIX}{name}"])
                for name in ("rate", "friend_power", "history_power")
            )

    def counting(self, histories: Histories) -> Histories:
        """Leave out entries that have no weight."""
        if self.dislike > 0 or not histories.against.any():
            return histories
        return histories.where(~histories.against)

    def linear(self, histories: Histories) -> Doubles:
        """Weigh entries as the closed form does, shape (entries,)."""
        decay = (1.0 + histories.age_days.astype(np.float64)) ** -self.linear_rate
        weight = self.linear_kind[histories.kind] * decay
        return np.asarray(weight * histories.signs(self.dislike) if self.dislike else weight)


@dataclass(frozen=True, slots=True)
class Tastes:
    """Of p people what lists, their own and their friends', draw on."""

    histories: Histories
    """The entries that count."""
    friends: FriendLists
    """Of the shoppers, the first p - 1 people, those that count."""
    total: Doubles
    """W_p, shape (p,)."""
    learned: Doubles
    """t_p, shape (p, d)."""
    linear: Doubles
    """What a person's entries add up to for a friend, before friends are counted, (p, rank)."""


def sum_up(
    weights: Weights, vectors: SummedVectors, community: Community, told: Progress = silent
) -> Tastes:
    """Sum up everybody's entries.

    The sums lie in files that are mapped into memory: they are the largest of all that lists are
    made from, and a machine that has too little memory for them reads them again.
    """
    histories = weights.counting(community.histories)
    friends = community.friends
    if weights.friends_for is not FriendsFor.EVERYONE:
        nobodys = weights.friends_for is FriendsFor.NOBODY
        num = len(friends.offsets) - 1
        friends = friends.without((np.diff(histories.offsets[: num + 1]) > 0) | nobodys)
    people = histories.num_people
    learned, linear = (_mapped((people, t.shape[1])) for t in (vectors.learned, vectors.friend))
    total = np.zeros(people)
    for first in range(0, people, _CHUNK):
        some = slice(first, min(first + _CHUNK, people))
        part = slice_of(histories, some)
        of_entries = weights.encoder.of_entries(part, weights.dislike)
        total[some] = _sums(part, np.abs(of_entries))
        sums = entry_matrix(part, of_entries, len(vectors.learned)) @ vectors.learned
        learned[some] = sums * weights.encoder.shrink(total[some])[:, None]
        if weights.has_linear:
            of_entries = weights.linear(part)
            whole = _sums(part, np.abs(of_entries))
            size = np.maximum(whole, max(weights.least_friend, 1e-9)) ** -weights.linear_history
            sums = entry_matrix(part, of_entries, len(vectors.friend)) @ vectors.friend
            linear[some] = sums * np.where(whole > 0, size, 0.0)[:, None]
        told(_WHAT, some.stop, people)
    return Tastes(histories, friends, total, learned, linear)


def slice_of(histories: Histories, people: slice) -> Histories:
    """Look at the histories of people who stand beside each other; nothing is copied but bounds."""
    offsets = histories.offsets[people.start : people.stop + 1]
    some = slice(int(offsets[0]), int(offsets[-1]))
    return replace(
        histories,
        offsets=offsets - offsets[0],
        item_idx=histories.item_idx[some],
        kind=histories.kind[some],
        age_days=histories.age_days[some],
        wanted_ms=histories.wanted_ms[some],
    )


def entry_matrix(histories: Histories, of_entries: Doubles, num_items: int) -> Matrix:
    """Lay weights of entries out by person and item."""
    parts = (
        of_entries,
        histories.item_idx.astype(np.int32, copy=False),
        histories.offsets.astype(np.int32),
    )
    return sparse.csr_matrix(parts, (histories.num_people, num_items))


def _sums(histories: Histories, of_entries: Doubles) -> Doubles:
    rows: Ints = Ragged(histories.offsets).row
    return np.asarray(np.bincount(rows, of_entries, histories.num_people), np.float64)


def _mapped(shape: tuple[int, int]) -> Doubles:
    """Map a new file, which has no name and is gone with the array."""
    if not all(shape):
        return np.zeros(shape)
    with tempfile.TemporaryFile(prefix="coterie-tastes-") as file:
        return np.asarray(np.memmap(file, np.float64, "w+", shape=shape))
