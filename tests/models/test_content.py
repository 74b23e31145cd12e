"""Neighbours in content: what is near, what it adds, and what an item that nobody had gets."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from coterie.content.words import tf_idf
from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.data.vector_columns import vectors_of, with_vectors
from coterie.errors import BadInputError
from coterie.fitting.dataset_file import digest, pack, unpack
from coterie.models.content import ContentConfig, ContentModel
from coterie.models.content_graph import content_graphs
from coterie.models.content_map import ContentMap, group_features
from coterie.models.content_signal import ContentSignal
from coterie.models.new_items import BONUSES, fill_new, find_bonus
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.recommend.content import ContentTerm
from coterie.schema import EVENT_KINDS, EventKind
from coterie.training.loop import LoopConfig

TITLES = ("red desk lamp", "blue desk lamp", "garden hose", "long garden hose", "green desk lamp")
COLD = 4
"""A lamp that nobody had."""


def events(user, item, kind=EventKind.PURCHASE):
    n = len(user)
    return Interactions(
        np.array(user, np.int64),
        np.array(item, np.int64),
        np.full(n, EVENT_KINDS.index(kind), np.int8),
        np.full(n, np.nan, np.float32),
        np.arange(1, n + 1, dtype=np.int64),
        np.full(n, -1, np.int64),
    )


def shop(titles=TITLES, **more):
    """Six people with lamps, six with hoses; a lamp that nobody had."""
    user = [u for u in range(12) for _ in range(2 if u % 3 else 1)]
    item = [i for u in range(12) for i in ((0, 1) if u < 6 else (2, 3))[: 2 if u % 3 else 1]]
    items = pa.table({"item_id": list("abcde"), "title": list(titles)})
    return TrainingSet(events(user, item), Ties.none(), 12, len(titles), items=items, **more)


def test_items_with_the_same_words_are_near_and_say_one_in_all():
    near = content_graphs(shop(), ("words",), 2)["words"].toarray()
    assert set(np.flatnonzero(near[COLD])) == {0, 1}
    assert near[2, 3] == pytest.approx(1.0)
    assert near.sum(axis=1) == pytest.approx(1.0)
    assert not near.diagonal().any()


def test_chinese_is_compared_by_characters():
    words = tf_idf([pa.chunked_array([["红色台灯", "蓝色台灯", "花园水管"]])]).toarray()
    alike = words @ words.T
    assert alike[0, 1] > 0.5
    assert alike[0, 2] == 0.0


def test_vectors_travel_with_the_training_set_and_tell_encoders_apart(tmp_path):
    data = shop()
    vectors = np.random.default_rng(0).normal(size=(5, 7))
    told = [
        replace(data, items=with_vectors(data.items, "image", vectors, "lite", mark * 64))
        for mark in "ab"
    ]
    pack(told[0], str(tmp_path / "packed"))
    found = unpack(str(tmp_path / "packed"))
    assert vectors_of(found.items, "image") == pytest.approx(vectors, abs=1e-6)
    assert digest(found) == digest(told[0]) != digest(told[1])
    reads = told[0].with_item_columns(("title", "vector_image", "vector_audio"))
    assert reads.items.column_names == ["title", "vector_image"]
    with pytest.raises(BadInputError, match="one row an item"):
        with_vectors(data.items, "image", vectors[:4])


def test_unknown_vectors_have_no_neighbours():
    vectors = np.random.default_rng(0).normal(size=(5, 7)) + 3.0
    vectors[1] = 0.0
    data = replace(shop(), items=with_vectors(shop().items, "image", vectors))
    near = content_graphs(data, ("image",), 4)["image"].toarray()
    assert not near[1].any()
    assert not near[:, 1].any()


def test_content_finds_what_nobody_had():
    data = shop(validation=events([0, 3], [COLD, COLD]))
    model = ContentModel(ContentConfig(parts=("popular", "words"), neighbours=2))
    model.fit(data)
    assert model.weights["words"] > 0
    scores = model.scores(np.array([0, 6]))
    assert scores[0, COLD] > scores[0, [2, 3]].max()
    assert scores[1, COLD] < scores[1, 3]
    again = ContentModel(model.chosen_config())
    again.fit(replace(data, validation=None))
    assert again.scores(np.arange(12)) == pytest.approx(model.scores(np.arange(12)), abs=1e-5)


def test_what_was_turned_down_speaks_for_others_where_it_should():
    data = shop()
    both = Interactions.concat(data.interactions, events([6], [0], EventKind.DISLIKE))
    found = []
    for share in (0.0, 1.0):
        model = ContentModel(ContentConfig(parts=("walk",), count_turned_down=share))
        model.fit(replace(data, interactions=both))
        found.append(model.scores(np.array([6]))[0, 1])
    assert found[0] == 0.0 < found[1]


@pytest.mark.parametrize(
    "wrong",
    [{"parts": ("taste",)}, {"parts": ()}, {"weights": (1.0,)}, {"neighbours": 0}, {"l2": 0.0}],
)
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(BadInputError):
        ContentConfig(**wrong)


def pictured():
    """The shop, with pictures in which lamps are alike, and a hose and the cold lamp."""
    vectors = np.array([[5, 1, 0], [5, 0, 1], [0, 5, 0], [0, 5, 1], [2, 5, 0]]) + 1.0
    return replace(shop(), items=with_vectors(shop().items, "image", vectors))


@pytest.mark.parametrize("data", [shop(), pictured(), replace(shop(), items=None)])
def test_the_term_is_read_back_kind_by_kind(data):
    term = ContentSignal(share=0.2).fit(data, None, "cpu")
    same = ContentTerm.of_tensors(term.tensors(), 5)
    assert same.kinds.keys() == term.kinds.keys()
    for kind, near in term.kinds.items():
        assert same.kinds[kind].toarray() == pytest.approx(near.toarray(), abs=1e-6)
    assert same.near.toarray() == pytest.approx(sum(same.kinds.values()).toarray(), abs=1e-12)


def test_the_term_is_refused_for_another_catalogue():
    term = ContentSignal(share=0.2).fit(shop(), None, "cpu")
    with pytest.raises(BadInputError, match="expected 6 rows"):
        ContentTerm.of_tensors(term.tensors(), 6)
    with pytest.raises(BadInputError, match=r"content\.near_item"):
        ContentTerm.of_tensors({"content.near": term.tensors()["content.near"]}, 5)


def test_the_term_of_a_release_of_before_stays_one_of_a_kind():
    near = ContentSignal(share=0.2).fit(pictured(), None, "cpu").near
    old = {
        "content.near": torch.from_numpy(near.data).float(),
        "content.near_item": torch.from_numpy(near.indices).int(),
        "content.near_offsets": torch.from_numpy(near.indptr).long(),
    }
    again = ContentTerm.of_tensors(old, 5).times(2.0).tensors()
    assert torch.equal(again["content.near"], 2.0 * old["content.near"])
    assert torch.equal(again["content.near_offsets"], old["content.near_offsets"])


def social(share):
    loop = LoopConfig(max_epochs=4, lr=2e-2, patience=4)
    model = SocialModel(
        SocialConfig(embedding_size=8, loop=loop, content=ContentSignal(share=share))
    )
    model.fit(shop())
    return model


def test_social_with_content_lists_a_lamp_that_nobody_had_and_says_why():
    model = social(0.3)
    scores = model.scores(np.arange(12))
    assert scores[:6, COLD].min() > scores[:6, [2, 3]].max()
    made = model.recommender.recommend(model.shoppers(np.array([1])), 3)
    assert made.item_idx[0, 0] == COLD
    for reasons, score in zip(
        model.recommender.explain(model.shoppers(np.array([1])), made)[0],
        made.score[0],
        strict=True,
    ):
        assert sum(reason.contribution for reason in reasons) == pytest.approx(score, abs=1e-4)
    assert social(0.0).parameters.keys() == model.parameters.keys() - ContentTerm.names


def mapped(data=None):
    return ContentMap.of(data or pictured(), ("words", "image"))


def test_as_if_new_is_what_a_map_says_that_never_saw_the_item():
    content, table = mapped(), np.random.default_rng(0).normal(size=(5, 3))
    found = content.as_if_new(table, np.array([1, 3]))
    for row, item in zip(found, (1, 3), strict=True):
        known = content.known & (np.arange(5) != item)
        without = ContentMap(content.features, known)
        assert list(without.new) == [item, COLD]
        assert row == pytest.approx(without.of_new(table)[0], abs=1e-9)


def test_only_items_that_nobody_had_get_what_content_maps_to_them():
    content = mapped(shop())
    rng = torch.Generator().manual_seed(0)
    tables = {n: torch.randn(5, 4, generator=rng) for n in ("item_in", "item_out")}
    tables["item_bias"] = torch.tensor([2.0, 2.0, -2.0, -2.0, 9.0])
    filled, _ = fill_new(tables, None, content)
    for name, table in tables.items():
        assert torch.equal(filled[name][:COLD], table[:COLD])
    assert 0.0 < filled["item_bias"][COLD] < 2.0  # a lamp's


def grouped(**columns):
    """The shop, its words all different, so that groups alone tell which items are alike."""
    items = pa.table({"item_id": list("abcde"), "title": ["v", "w", "x", "y", "z"], **columns})
    return replace(shop(), items=items)


def test_groups_are_paths_with_their_levels_brands_and_tags_of_two_items_or_more():
    marks = group_features(
        grouped(
            category=["Home/Lamps", "Home/Lamps", "Home", None, "Garden"],
            brand=["A", "B", "A", "", "C"],
            tags=["red, small", "small", "", "red", "red,red"],
        )
    )
    alike = np.round(marks @ marks.T, 3)
    assert np.diag(alike).tolist() == [3.0, 2.0, 2.0, 1.0, 1.0]  # a part a column that tells
    assert marks.shape == (5, 3 + 1 + 2)
    assert alike[3, 4] == 1.0  # red, however often it is said
    assert alike[1, 4] == 0.0
    assert alike[0, 1] > 1.0
    assert alike[0, 2] > 1.5  # Home and brand A


@pytest.mark.parametrize("column", ["category", "brand", "tags"])
def test_an_item_that_nobody_had_is_expected_near_the_mean_of_its_group(column):
    content = ContentMap.of(grouped(**{column: ["L", "L", "H", "H", "L"]}), ("words",))
    assert list(content.new) == [COLD]
    found = content.of_new(np.array([[3.0, 1.0]] * 2 + [[-3.0, 1.0]] * 2 + [[99.0, 99.0]]))[0]
    assert 0.4 < found[0] < 3.0  # held back, as two items are few
    assert found[1] == pytest.approx(1.0, abs=0.1)


def test_new_items_are_lifted_until_known_ones_would_lose():
    """Twelve people, of whom two want what would be new: it comes before what nobody wants."""
    data = shop(validation=events([*range(12), 0, 1], [*[0, 1] * 6, 4, 4]))
    data = replace(data, interactions=events([11], [3]))  # so that nothing asked for is hidden

    def scored(users):
        known = torch.tensor([1.0, 1.0, 0.0, 0.0, -5.0]).repeat(len(users), 1)
        return known, torch.full((len(users), 1), -0.4)

    assert find_bonus(data, np.array([COLD]), scored, 1.0) == 0.5

    def first(users):
        return scored(users)[0], torch.full((len(users), 1), 99.0)

    assert find_bonus(data, np.array([COLD]), first, 1.0) == BONUSES[0]  # known items lose anyhow
    assert find_bonus(replace(data, validation=None), np.array([COLD]), scored, 1.0) == 0.0


def test_what_new_items_cost_is_bounded_for_others_than_those_who_were_asked():
    """Of 400 some would see a new item first: six lose .6 % on average, and by chance up to .9."""
    data = shop(validation=events([*range(400)] * 2, [0] * 400 + [COLD] * 400))
    data = replace(data, interactions=events([399], [3]), num_users=400)

    def found(losers):
        def scored(users):
            known = torch.tensor([1.0, 0.0, 0.0, 0.0, -5.0]).repeat(len(users), 1)
            return known, torch.where(users[:, None] < losers, 0.7, -0.4)

        return find_bonus(data, np.array([COLD]), scored, 1.0)

    assert [found(losers) for losers in (0, 3, 6)] == [0.5, 0.5, -0.5]


def test_without_content_nothing_moves():
    """To the bit: the parameters of social, and the scores of the content model."""
    bare = replace(shop(), items=None)
    loop = LoopConfig(max_epochs=2, lr=2e-2, patience=4)
    told, nothing = (SocialModel(SocialConfig(embedding_size=8, loop=loop)) for _ in range(2))
    told.fit(pictured())
    nothing.fit(bare)
    assert told.parameters.keys() == nothing.parameters.keys()
    assert all(torch.equal(t, nothing.parameters[n]) for n, t in told.parameters.items())
    scores = []
    for map_new in (True, False):
        model = ContentModel(ContentConfig(("ease", "walk"), (1.0, 1.0), map_new=map_new))
        model.fit(bare)
        scores.append(model.scores(np.arange(12)))
    assert np.array_equal(*scores)


def test_the_content_model_gives_what_was_learned_to_items_that_nobody_had():
    scores = []
    for bonus in (None, 0.0, 1.0):
        config = ContentConfig(("walk",), (1.0,), map_new=bonus is not None, new_item_bonus=bonus)
        model = ContentModel(config)
        model.fit(shop())
        scores.append(model.scores(np.array([0, 6])))
    assert (scores[0][:, COLD] == 0.0).all()
    assert scores[1][0, COLD] > scores[1][1, COLD]
    assert scores[2][:, COLD] == pytest.approx(scores[1][:, COLD] + 1.0, abs=1e-5)
    assert np.array_equal(scores[2][:, :COLD], scores[0][:, :COLD])


def test_a_walk_from_neighbours_in_content_is_learned_too():
    """It ends at what somebody had, so it says nothing of other items until it is mapped."""
    scores = []
    for map_new in (False, True):
        weights = (("words", "smoothed"), (0.0, 1.0))
        model = ContentModel(ContentConfig(*weights, map_new=map_new, new_item_bonus=0.0))
        model.fit(shop())
        scores.append(model.scores(np.array([0]))[0])
    assert scores[0][0] > scores[0][COLD] == 0.0
    assert scores[1][0] > scores[1][COLD] > scores[1][[2, 3]].max() + 0.1


def test_the_refit_keeps_the_bonus_of_new_items():
    loop = LoopConfig(max_epochs=2, lr=2e-2, patience=4)
    config = SocialConfig(embedding_size=8, loop=loop, content=ContentSignal(share=0.3))
    first = SocialModel(config)
    first.fit(shop(validation=events([0, 7], [1, 3])))
    assert first.refit_config().content == ContentSignal(
        0.3, new_item_bonus=first.new_item_bonus, row_weight=first.row_weight
    )
    biases = []
    for bonus in (0.0, 2.0):
        again = SocialModel(replace(config, content=ContentSignal(0.3, new_item_bonus=bonus)))
        again.fit(shop())
        biases.append(again.parameters["item_bias"])
    assert torch.equal(biases[0][:COLD], biases[1][:COLD])
    assert biases[1][COLD] > biases[0][COLD]
