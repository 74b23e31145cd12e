"""How much everything that a shopper brings counts: the encoder's formulas in plain numbers.

Training differentiates ``encoder.Encoder``; a list of one shopper is made of so few numbers that
its operators would take longer to call than to work. Both say the same, which a test holds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints
from coterie.recommend.encoder import Encoder
from coterie.recommend.shoppers import Histories, Shoppers

Doubles = npt.NDArray[np.float64]
_LEAST: float = 1e-6


@dataclass(frozen=True, slots=True)
class Weighed:
    """What b shoppers bring, weighed; see the formulas of ``encoder``."""

    entry_weight: Doubles
    """s_e w_e, shape (entries,)."""
    total: Doubles
    """W_p, shape (people,)."""
    shrink: Doubles
    """What a person's sum is multiplied with to become a taste, shape (people,)."""
    tie_weight: Doubles
    """a_f / A_u ** friend_power, shape (ties,)."""
    gate: Doubles
    """gate_u, how much friends count beside oneself, shape (b,)."""


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """The learned weights of an encoder, as numbers."""

    kind: Doubles
    """Logarithm of each kind's weight, shape (event kinds,)."""
    rate: float
    own_power: float
    friend_power: float
    gate: tuple[float, float, float]
    strength: Doubles
    """Shape (strengths,)."""

    @classmethod
    def of(cls, encoder: Encoder) -> "EncoderWeights":
        """Read an encoder's weights."""
        numbers = {n: p.detach().double().numpy() for n, p in encoder.named_parameters()}
        g0, g1, g2 = numbers["gate"].tolist()
        return cls(
            numbers["kind"],
            float(np.logaddexp(0.0, numbers["rate"])),
            _sigmoid(float(numbers["own_power"])),
            _sigmoid(float(numbers["friend_power"])),
            (g0, g1, g2),
            numbers["strength"],
        )

    def weigh(
        self, shoppers: Shoppers, dislike_weight: float, least_friend: float = 0.0
    ) -> Weighed:
        """Weigh the entries, people and ties of a batch; each comes out the same in any batch.

        Args:
            shoppers: The batch.
            dislike_weight: What an entry takes away that speaks against its item.
            least_friend: What a friend's history weighs at least.
        """
        histories, friends = shoppers.histories, shoppers.friends
        num_people, b = histories.num_people, len(shoppers)
        weight = self.of_entries(histories, dislike_weight)
        person = np.repeat(np.arange(num_people), np.diff(histories.offsets))
        size = np.abs(weight) if dislike_weight else weight
        total = np.bincount(person, size, num_people).astype(np.float64, copy=False)
        tie_weight, gate = self.of_ties(friends.strengths, friends.offsets, total[:b])
        if least_friend > 0:
            tie_weight = tie_weight * self.of_short(total[friends.person], least_friend)
        return Weighed(weight, total, self.shrink(total), tie_weight, gate)

    def of_entries(self, histories: Histories, dislike_weight: float) -> Doubles:
        """Compute s_e w_e, the signed weights of entries, shape (entries,)."""
        log_age = np.log1p(histories.age_days.astype(np.float64))
        weight = np.exp(self.kind[histories.kind] - self.rate * log_age)
        return np.asarray(weight * histories.signs(dislike_weight) if dislike_weight else weight)

    def shrink(self, total: Doubles) -> Doubles:
        """Compute what sums of entries are multiplied with to become tastes, from their totals."""
        return _shrink(total, self.own_power)

    def of_short(self, total: Doubles, least: float) -> Doubles:
        """Compute by what ties to friends are multiplied whose histories weigh too little.

        A taste is a sum over its size: so a friend who had one thing alone would say that thing
        alone as loudly as another says all of theirs.
        """
        return np.asarray(np.minimum(total / least, 1.0) ** self.own_power)

    def of_ties(self, strengths: Floats, offsets: Ints, total: Doubles) -> tuple[Doubles, Doubles]:
        """Weigh the ties of b shoppers.

        Args:
            strengths: Shape (ties, strengths).
            offsets: Where each shopper's ties begin, shape (b + 1,).
            total: W_u of the shoppers, shape (b,).

        Returns:
            ``Weighed.tie_weight`` and ``Weighed.gate``.
        """
        b = len(total)
        # Not a product of matrices: its rows would come out otherwise in another batch.
        raw = np.exp(np.einsum("ts,s->t", strengths.astype(np.float64), self.strength))
        shopper = np.repeat(np.arange(b), np.diff(offsets))
        tie_total = np.bincount(shopper, raw, b).astype(np.float64, copy=False)
        g0, g1, g2 = self.gate
        gate = np.logaddexp(0.0, g0 + g1 * np.log1p(total) + g2 * np.log1p(tie_total))
        return raw * _shrink(tie_total, self.friend_power)[shopper], gate


def _shrink(total: Doubles, power: float) -> Doubles:
    return np.asarray(np.maximum(total, _LEAST) ** -power)


def _sigmoid(value: float) -> float:
    return float(1.0 / (1.0 + np.exp(-value)))
