"""What all models have that a release can be made of: they score and list as serving does."""

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints, TrainingSet
from coterie.errors import BadInputError
from coterie.models.base import Scores
from coterie.models.engagement import check_users
from coterie.recommend.batches import Community
from coterie.recommend.recommender import Recommender
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import Parameters


class Listing:
    """Scores and lists of what was learned, through the recommender."""

    def __init__(self) -> None:
        self.parameters: Parameters = {}
        """See ``base.Releasable``; empty before it is fitted."""
        self._recommender: Recommender | None = None
        self._community: Community | None = None

    def use_with(self, parameters: Parameters, popularity: Floats, data: TrainingSet) -> None:
        """Score the users of ``data`` with what was kept, and popularity, shape (items,)."""
        self.parameters = parameters
        self._recommender = Recommender(parameters, popularity)
        self._community = Community.of(data)  # not without ties: the recommender knows whose count

    def serve(self, data: TrainingSet) -> None:
        """See ``base.Inductive``."""
        assert self.recommender
        self._community = Community.of(data)

    @property
    def recommender(self) -> Recommender:
        """The one path, loaded with what was learned.

        Raises:
            BadInputError: Not fitted yet.
        """
        if self._recommender is None:
            raise BadInputError("the model is not fitted: call fit first")
        return self._recommender

    def shoppers(self, user_idx: Ints) -> Shoppers:
        """Make a batch of the training set's users.

        Raises:
            BadInputError: As ``base.Model.scores`` says.
        """
        people = self._community.histories.num_people if self._community else 0
        check_users(user_idx, people)
        assert self._community is not None
        return self._community.shoppers(user_idx)

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model.scores``."""
        shoppers = self.shoppers(user_idx)
        scores: Scores = self.recommender.scores(shoppers).numpy()
        return scores

    def lists(self, user_idx: npt.NDArray[np.int64], k: int) -> Ints:
        """Make the lists that serving would show, shape (users, k), -1 where short."""
        shoppers = self.shoppers(user_idx)
        return self.recommender.recommend(shoppers, k).item_idx
