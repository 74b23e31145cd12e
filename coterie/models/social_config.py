"""The social model's settings, and what tuning searches of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from coterie.errors import BadInputError
from coterie.models.content_signal import ContentSignal
from coterie.models.social_linear import SocialLinearConfig
from coterie.models.space import DISLIKE_WEIGHTS, Choice, LogUniform, Tuning, Uniform
from coterie.recommend.learned import FriendsFor
from coterie.training.loop import LoopConfig


@dataclass(frozen=True, slots=True)
class SocialConfig:
    """What the social model is made of and how it learns."""

    embedding_size: int = 128
    """Numbers of an item's embedding, over all heads."""
    heads: int = 1
    """Parts of an embedding, of one length, each with a cosine of its own; a score is their mean.
    They start apart and learn from draws of their own, so the mean is steadier than one of them."""
    inverse_temperature: float = 6.0
    """What the cosine is multiplied with before the softmax."""
    use_ties: bool = True
    """Whether friends count at all; without them the same model knows a shopper's own events."""
    friends_for_cold_start_only: bool = False
    """Whether friends count only for shoppers without a history: where ties say nothing of people
    who are known, they may still do of newcomers. By default they count for everybody."""
    dislike_weight: float = 0.0
    """Share that an item that was turned down takes away from others, of what it would have added
    had it been liked, in both halves; 0: nothing. It is never a target."""
    least_friend_history: float = 0.0
    """Purchases as which a friend's history counts at least, in lists: a friend who had one thing
    alone then says it no louder than one of so many things says each. 0: it counts as it is."""
    use_times: bool = True
    """Whether the age of events counts, beyond which of them are the newest."""
    entry_dropout: float = 0.5
    """Share of a shopper's entries that is hidden in training, and to be found again."""
    next_item_share: float = 0.0
    """Share of shoppers, drawn anew each epoch, whose newest entries are hidden instead of any:
    what is next is foreseen from older ones, as a list is by a shopper's whole past."""
    friend_dropout: float = 0.2
    """Share of shoppers, drawn anew each epoch, whose friends are hidden, so that the model also
    works for people without any."""
    weak_event_weight: float = 1.0
    """Weight of a target that was only viewed, clicked or shared; one that was had weighs 1."""
    target_decay: float = 0.5
    """Power by which a target loses weight, (1 + age in days) to minus this: what comes next is
    like what was last. 0 weighs old and new ones alike."""
    exposure_power: float = 0.5
    """Power of the inverse propensity by which targets count, in both halves: what lists showed
    often counts less. It acts where the data say what lists showed; 0: never."""
    exposure_clip: float = 3.0
    """Most by which such a weight differs from 1, as a factor."""
    softmax_items: int = 8_192
    """Items that the softmax is over: all, where the shop has no more; else those that a batch
    asks for and a random sample, each logit corrected for how likely it was to be there."""
    batch_size: int = 256
    """Shoppers a step, of each worker."""
    linear_weight: float | None = None
    """Share of the closed form in a score, 0 to below 1; None: validation chooses, .5 where there
    is none."""
    popularity_weight: float | None = None
    """Weight of popularity for shoppers without history and friends, in units of the scores'
    spread; None: validation chooses, .5 where there is none."""
    linear: SocialLinearConfig = field(default_factory=SocialLinearConfig)
    """Settings of the closed form; ``use_ties``, ``dislike_weight``, ``least_friend_history`` and
    times are those above."""
    content: ContentSignal = field(default_factory=ContentSignal)
    """Neighbours in words, pictures and sound, of share 0 until a shop has them; where it counts,
    items that nobody had get the vectors of their neighbours."""
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            max_epochs=150,
            patience=6,
            validate_every=2,
            lr=5e-3,
            weight_decay=1e-4,
            ema_decay=0.99,
        )
    )

    renamed: ClassVar[Mapping[str, str]] = {
        "dim": "embedding_size",
        "scale": "inverse_temperature",
        "newcomers_only": "friends_for_cold_start_only",
        "ahead": "next_item_share",
        "alone": "friend_dropout",
        "browsing": "weak_event_weight",
        "recency": "target_decay",
        "candidates": "softmax_items",
        "batch_shoppers": "batch_size",
        "mix": "linear_weight",
        "prior": "popularity_weight",
    }
    """See ``coterie.renamed``."""

    def __post_init__(self) -> None:
        sizes = (self.embedding_size, self.softmax_items, self.batch_size)
        if min(sizes) < 1 or self.inverse_temperature <= 0 or not 0 < self.entry_dropout < 1:
            raise BadInputError(
                "sizes and inverse_temperature must be over 0, entry_dropout in (0, 1), "
                f"found {self}"
            )
        if self.heads < 1 or self.embedding_size % self.heads:
            raise BadInputError(
                "embedding_size must be a multiple of heads, "
                f"found {self.embedding_size}, {self.heads}"
            )
        shares = (self.next_item_share, self.friend_dropout)
        if not 0 <= min(shares) <= max(shares) <= 1:
            raise BadInputError(f"next_item_share and friend_dropout must be shares, found {self}")
        if self.linear_weight is not None and not 0 <= self.linear_weight < 1:
            raise BadInputError(f"linear_weight must be in [0, 1), found {self.linear_weight}")
        if not 0 <= self.dislike_weight < math.inf:
            raise BadInputError(f"dislike_weight must not be below 0, found {self}")
        if not 0 <= self.least_friend_history < math.inf:
            raise BadInputError(f"least_friend_history must not be below 0, found {self}")
        if not 0 <= self.exposure_power <= 1 or not 1 <= self.exposure_clip < math.inf:
            raise BadInputError(
                f"exposure_power must be in [0, 1], exposure_clip 1 or more, found {self}"
            )
        if self.popularity_weight is not None and not 0 <= self.popularity_weight < math.inf:
            raise BadInputError(
                f"popularity_weight must not be below 0, found {self.popularity_weight}"
            )

    @property
    def friends_for(self) -> FriendsFor:
        """Whose friends count."""
        if not self.use_ties:
            return FriendsFor.NOBODY
        return FriendsFor.NEWCOMERS if self.friends_for_cold_start_only else FriendsFor.EVERYONE

    def closed_form(self) -> SocialLinearConfig:
        """Make the closed form's config, with what both halves share."""
        return replace(
            self.linear,
            use_ties=self.friends_for is FriendsFor.EVERYONE,
            dislike_weight=self.dislike_weight,
            least_friend_history=self.least_friend_history,
            age_decay=self.linear.age_decay if self.use_times else 0.0,
        )


LONG_LISTS: Final[dict[str, Any]] = {
    "embedding_size": 512,
    "heads": 4,
    "inverse_temperature": 9.0,
    "entry_dropout": 0.65,
    "target_decay": 0.0,
}
"""A shop of long lists: more numbers an item, more left out, old tastes like new ones."""
TUNING: Final = Tuning(
    {
        "friends_for_cold_start_only": Choice((False, True)),
        "embedding_size": Choice((128, 256, 512)),
        "heads": Choice((1, 2, 4)),
        "inverse_temperature": LogUniform(3.0, 14.0),
        "entry_dropout": Uniform(0.4, 0.8),
        "next_item_share": Choice((0.0, 0.5)),
        "target_decay": Uniform(0.0, 1.0),
        "dislike_weight": DISLIKE_WEIGHTS,
    },
    starts=(
        {"embedding_size": 512, "heads": 4},
        LONG_LISTS,
        LONG_LISTS | {"friends_for_cold_start_only": True},
        {"entry_dropout": 0.75, "target_decay": 0.0},
    ),
)
"""The starts have more numbers an item, which a few trials do not find. One leaves ties to
newcomers: where they say nothing of who is known, the search is to know. Three weigh old targets as
new ones, which was better by 2 to 6 % where times say little (LastFM by time), and is the same
where there are none."""
