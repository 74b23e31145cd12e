"""What a simulated shop is like."""

from dataclasses import dataclass

from coterie.errors import BadInputError


@dataclass(frozen=True, slots=True)
class ShopConfig:
    """Size, length and character of a shop; the same config makes the same shop."""

    num_users: int = 2_000
    num_items: int = 1_500
    num_events: int = 120_000
    """Aimed at within a few per cent: sessions are never cut in the middle."""
    days: int = 90
    seed: int = 7
    start: str = "2025-03-03"
    """First day, UTC."""
    influence: float = 0.30
    """Share of purchases that happen because a friend bought or shared."""
    crowd: float = 0.10
    """Share of the other visits that follow the crowd and not the shopper's taste."""
    drift: float = 0.08
    """Length of a taste's daily random step; tastes have length 1."""
    num_friends: float = 10.0
    """Ties a shopper, on average, friendships and followings together."""
    num_communities: int = 0
    """0: one for about every 60 shoppers."""
    late_users: float = 0.30
    """Share of shoppers who come after the first day."""
    late_items: float = 0.30
    """Share of items that enter the catalogue after the first day."""
    ending_items: float = 0.20
    """Share of items that leave the catalogue before the last day."""
    unnamed: float = 0.10
    """Share of shoppers whom friends may not see in their reasons."""
    unused: float = 0.02
    """Share of shoppers whose events and ties may not serve others."""
    returns: float = 0.20
    """Chance that a purchase is sent back where the item fits the shopper's taste neither well nor
    ill: a good fit is sent back less often, a poor one more often."""
    dislikes: float = 0.06
    """Chance, likewise, that an item that was looked at and left is said to be not for them."""
    restocked: tuple[str, ...] = ()
    """Categories (beginnings of paths) whose items shoppers buy again when they have run out."""
    restock_days: float = 30.0
    """Median days between such purchases."""
    habit: float = 0.6
    """Chance that what fits neither well nor ill is bought again, each time; a good fit more
    often."""
    chinese: float = 0.2
    """Share of items titled in Chinese, the others in English; each is described in both."""
    vague: float = 0.15
    """Share of items whose words say nothing of their style, and, drawn apart, share of those whose
    picture is of another style and maker."""
    pictures: bool = False
    """Whether items have pictures; they change nothing else."""

    def __post_init__(self) -> None:
        sizes = (self.num_users, self.num_items, self.num_events, self.days)
        if min(sizes) < 1:
            raise BadInputError(f"a shop needs users, items, events and days, got {sizes}")
        shares = ("influence", "crowd", "late_users", "late_items", "ending_items")
        # A saved world's config comes back from JSON, which knows no tuples.
        object.__setattr__(self, "restocked", tuple(self.restocked))
        if self.restock_days < 1:
            raise BadInputError(f"restock_days is 1 or more, got {self.restock_days}")
        for name in (*shares, "returns", "dislikes", "habit", "chinese", "vague"):
            if not 0 <= getattr(self, name) < 1:
                raise BadInputError(f"{name} is a share below 1, got {getattr(self, name)}")

    @property
    def communities(self) -> int:
        """Number of communities."""
        return self.num_communities or max(2, self.num_users // 60)
