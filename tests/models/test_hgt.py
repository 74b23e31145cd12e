"""A heterogeneous graph transformer: categories and contents tell of items, of new ones too."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch
from synthetic import ITEMS_A_BLOCK, planted

from coterie.models.hgt import HGT, HGTConfig, HGTTrainee, categories_above
from coterie.training.loop import LoopConfig

HERE = torch.device("cpu")
SMALL = HGTConfig(
    embedding_size=16,
    batch_size=32,
    own_items=12,
    friends=4,
    items=6,
    buyers=2,
    loop=LoopConfig(max_epochs=6, lr=3e-2),
)


def described():
    """The planted shop, whose items say in words and by category which block they are of."""
    shop = planted()
    block = ["abcdef"[item // ITEMS_A_BLOCK] for item in range(shop.data.num_items)]
    items = pa.table(
        {"title": [f"thing of {b}{b}{b}" for b in block], "category": [f"All/{b}" for b in block]}
    )
    return shop, replace(shop.data, items=items)


def test_every_part_of_a_path_is_a_category_above_its_items():
    data = replace(
        planted().data, num_items=4, items=pa.table({"category": ["A/B", "A", None, "A/B/C"]})
    )
    edges, count = categories_above(data)
    assert count == 3
    assert edges.T.tolist() == [[0, 0], [1, 0], [0, 1], [0, 3], [1, 3], [2, 3]]
    none, count = categories_above(None)
    assert (none.shape, count) == ((2, 0), 0)


def test_an_item_that_nobody_had_is_found_by_what_it_is():
    shop, data = described()
    new = np.arange(ITEMS_A_BLOCK - 1, data.num_items, ITEMS_A_BLOCK)
    assert not np.isin(new, data.interactions.item_idx).any()
    model = HGT(SMALL)
    model.fit(replace(data, validation=None))
    best = model.scores(shop.experienced)[:, new].argmax(1)
    assert (best == shop.user_block[shop.experienced]).mean() > 0.8


def test_categories_and_contents_tell_of_items_where_they_are_asked_to():
    _, data = described()
    both, neither = (
        HGTTrainee(replace(SMALL, use_categories=on, use_content=on), data, HERE)
        for on in (True, False)
    )
    with torch.no_grad():
        for trainee in (both, neither):
            trainee.network.item_in.zero_()
        alike = both.network.items_in()
        assert torch.allclose(alike[0], alike[1])
        assert not torch.allclose(alike[0], alike[ITEMS_A_BLOCK])
        assert not neither.network.items_in().any()


def test_every_weight_learns_so_that_no_worker_waits_for_one():
    _, data = described()
    for hops in (1, 2, 3):
        trainee = HGTTrainee(replace(SMALL, hops=hops), data, HERE)
        trainee(trainee.batch(0, 0, 0, 1)).backward()
        assert all(one.grad is not None for one in trainee.parameters())
