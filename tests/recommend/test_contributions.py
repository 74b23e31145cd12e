"""The fast form of the reasons says what the readable form says."""

from dataclasses import replace

import numpy as np
import pytest
from test_recommender import community, data, parameters, popularity, recommender

from coterie.recommend.recommender import ReasonKind

__all__ = ["community", "data", "parameters", "popularity", "recommender"]


@pytest.mark.parametrize("user", [4, 17, 28, 29])
def test_parts_are_the_reasons_as_columns(recommender, community, user):
    shoppers = community.shoppers(np.array([0, user]))
    lists = recommender.recommend(shoppers, 6)
    parts = recommender.contributions(shoppers, lists, row=1)
    for place, reasons in enumerate(recommender.explain(shoppers, lists)[1]):
        said = {
            (reason.person, reason.item_idx): reason.contribution
            for reason in reasons
            if reason.kind is not ReasonKind.POPULAR
        }
        keys = zip(parts.person.tolist(), parts.item_idx.tolist(), strict=True)
        found = dict(zip(keys, parts.contribution[:, place].tolist(), strict=True))
        assert found == pytest.approx(said)
        total = parts.contribution[:, place].sum() + parts.popular[place]
        assert total == pytest.approx(sum(reason.contribution for reason in reasons))


def test_who_had_everything_has_an_empty_list_and_no_reasons(recommender, community):
    """As long as they may not buy it again; once it was an error of ours."""
    shoppers = community.shoppers(np.array([4]))
    every = np.arange(recommender.num_items)
    shoppers = replace(shoppers, seen_offsets=np.array([0, len(every)]), seen=every)
    lists = recommender.recommend(shoppers, 6)
    assert (lists.item_idx == -1).all()
    assert recommender.contributions(shoppers, lists).contribution.shape[1] == 0
    assert recommender.explain(shoppers, lists) == [[]]
