"""Flaws of what lists hold and of what they say of it: whoever is listed something else notices."""

import asyncio
from dataclasses import replace

import pytest
from small_shop import FOLDERS, NUM_ITEMS, item, make_router, people, ref_of, write_small_release
from waiting import wait_until

from coterie.errors import BadInputError
from coterie.rollout.live import Live
from serving.lists.list_maker import ListMaker
from serving.lists.paging import Shown
from serving.lists.wanted import PLAIN, ItemFilter, Wanted
from serving.rollouts.list_checks import flaw, out_of_place
from serving.rollouts.loaded_release import load_arm
from serving.telemetry.metrics import ServingMetrics

KITCHEN = Wanted(ItemFilter(categories=("Home/Kitchen",)))


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    return [write_small_release(folder / name, version=name) for name in ("old", "new")]


@pytest.fixture(scope="module")
def maker(releases):
    return ListMaker(releases[0], people(), ServingMetrics())


def with_last(answer, listed):
    """The list with another item in the last place."""
    made = answer.model_copy(deep=True)
    made.items[-1].item = listed
    return made


def second_page(maker, known):
    first = maker.make(known, 5, False)
    return replace(PLAIN, shown=Shown.read(first.next, PLAIN.about))


@pytest.mark.parametrize(
    ("wanted", "wrong", "found"),
    [
        (PLAIN, None, ""),
        (KITCHEN, None, ""),
        (PLAIN, item(8), "not there, or that was not asked for"),  # out of stock
        (PLAIN, "item-of-nobody", "not there, or that was not asked for"),
        (KITCHEN, item(33), "not there, or that was not asked for"),
        (Wanted(ItemFilter(exclude=(item(40),))), item(40), "not asked for"),
        (Wanted(surface="product", context=(item(44),)), item(44), "not asked for"),
        (PLAIN, item(0), "an item that the shopper had"),
    ],
)
def test_an_item_that_should_not_be_listed_is_a_flaw(maker, wanted, wrong, found):
    known = maker.gather("ana")
    answer = maker.make(known, 5, False, wanted)
    if wrong is not None:
        listed = maker.catalogue.item(0).model_copy(update={"item_id": wrong})
        answer = with_last(answer, listed)
    said = out_of_place(maker, answer, known, wanted)
    assert found in said
    assert bool(said) == bool(found)


def test_an_item_of_an_earlier_page_is_a_flaw_on_the_next_one(maker):
    known = maker.gather("ana")
    first, wanted = maker.make(known, 5, False), second_page(maker, known)
    second = maker.make(known, 5, False, wanted)
    assert out_of_place(maker, second, known, wanted) == ""
    again = with_last(second, first.items[0].item)
    assert out_of_place(maker, again, known, wanted) == "an item that an earlier page showed"


@pytest.mark.parametrize("user", ["ana", "lou", "max", "stranger"])
@pytest.mark.parametrize("wanted", [PLAIN, KITCHEN, Wanted(surface="cart", context=(item(3),))])
def test_reasons_of_a_good_release_are_no_flaw(maker, user, wanted):
    known = maker.gather(user)
    answer = maker.make(known, 5, True, wanted)
    told = known, maker.items.num_allowed(wanted), 0, True, wanted
    assert flaw(answer, 5, *told) == ""


def test_a_list_without_the_reasons_that_were_asked_for_is_a_flaw(maker):
    known = maker.gather("ana")
    answer = maker.make(known, 5, False)
    assert flaw(answer, 5, known, NUM_ITEMS) == ""
    assert flaw(answer, 5, known, NUM_ITEMS, explain=True) == "no reasons"


@pytest.mark.parametrize(
    ("kind", "item_id", "wrong"),
    [
        ("own", item(4), False),
        ("own", item(1), True),  # a friend's
        ("own", item(30), True),
        ("friend", item(1), False),
        ("friend", item(30), True),
    ],
)
def test_a_reason_that_goes_by_what_nobody_had_is_a_flaw(maker, kind, item_id, wrong):
    known = maker.gather("ana")
    answer = maker.make(known, 5, True).model_copy(deep=True)
    answer.items[2].reasons[0] = (
        answer.items[2]
        .reasons[0]
        .model_copy(update={"kind": kind, "item_id": item_id, "friend": None})
    )
    assert bool(flaw(answer, 5, known, NUM_ITEMS, explain=True)) == wrong


def test_stable_answers_where_a_canary_lists_what_was_not_asked_for(releases, monkeypatch):
    metrics = ServingMetrics()
    router = make_router(releases[0], people(), metrics, timeout_s=30.0)
    router.adopt(Live(*map(ref_of, releases), 1.0))
    wait_until(lambda: router._releases.arms.canary)
    canary, plain = router._releases.arms.canary.maker, ListMaker.make

    def unfiltered(maker, known, k, explain, wanted):
        return plain(maker, known, k, explain, PLAIN if maker is canary else wanted)

    monkeypatch.setattr(ListMaker, "make", unfiltered)
    _, listed = asyncio.run(router.answer("lou", 5, False, KITCHEN))
    assert listed.release == "old"
    assert {one.item.category.partition("/")[0] for one in listed.items} == {"Home"}
    _, listed = asyncio.run(router.answer("lou", 5, False, PLAIN))
    assert listed.release == "new"
    labels = {"arm": "canary", "signal": "malformed"}
    assert metrics._registry.get_sample_value("coterie_arm_signals_total", labels) == 1


@pytest.mark.parametrize("fault", ["sold out", "no reasons"])
def test_a_release_is_not_loaded_where_its_first_lists_hold_or_say_what_they_should_not(
    releases, monkeypatch, fault
):
    plain = ListMaker.make

    def spoilt(maker, known, k, explain, wanted=PLAIN):
        made = plain(maker, known, k, explain and fault != "no reasons", wanted)
        return with_last(made, maker.catalogue.item(8)) if fault == "sold out" else made

    monkeypatch.setattr(ListMaker, "make", spoilt)
    assert FOLDERS[releases[1].digest]
    with pytest.raises(BadInputError, match="flawed list"):
        load_arm(ref_of(releases[1]))
