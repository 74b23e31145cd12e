"""Filters, pages and places of lists: what is left is scored as before, and nothing comes twice."""

import asyncio
import base64
from dataclasses import replace

import pytest
from asking import assert_problem, event, ids, list_of, post
from hypothesis import given, settings
from hypothesis import strategies as st
from small_shop import NUM_ITEMS, item, make_router, people, write_small_release

from coterie.errors import BadInputError
from serving.lists.paging import MAX_SHOWN, MAX_TOKEN, NOTHING_SHOWN, Shown
from serving.lists.wanted import ItemFilter, Wanted
from serving.telemetry.metrics import ServingMetrics

LISTS = {
    "recommendations": ("/v1/users/ana/recommendations", {}),
    "a stranger's": ("/v1/users/nobody/recommendations", {}),
    "search": ("/v1/users/ana/search", {"q": "thing"}),
    "similar by taste": (f"/v1/items/{item(3)}/similar", {}),
    "similar by words": (f"/v1/items/{item(3)}/similar", {"by": "words"}),
}
everywhere = pytest.mark.parametrize(("path", "query"), LISTS.values(), ids=LISTS)


def found(client, path, **query):
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def pages(client, path, k, **query):
    """All pages of a list."""
    read, after = [], ""
    while after is not None:
        page = found(client, path, k=k, after=after, **query)
        read.append(page)
        after = page.get("next")
    return read


def scored(answer):
    key = "similarity" if "similarity" in answer["items"][0] else "score"
    return {entry["item"]["item_id"]: entry[key] for entry in answer["items"]}


@everywhere
@pytest.mark.parametrize(
    ("chosen", "fits"),
    [
        ({"category": "Sports"}, lambda one: one["category"].startswith("Sports/")),
        (
            {"category": ["home/kitchen", "Books/Science/"]},
            lambda one: one["category"] in {"Home/Kitchen", "Books/Science"},
        ),
        ({"category": "Sport"}, lambda one: False),
        ({"brand": "acme"}, lambda one: True),
        ({"brand": "Other"}, lambda one: False),
        ({"price_min": 20, "price_max": 60.5}, lambda one: 20 <= one["price"] <= 60.5),
        ({"exclude": [item(5), "gone"]}, lambda one: one["item_id"] != item(5)),
        ({"in_stock": True}, lambda one: one["available"]),
    ],
)  # fmt: skip
def test_a_filter_leaves_what_fits_in_the_same_order_and_with_the_same_scores(
    client, path, query, chosen, fits
):
    whole = found(client, path, k=100, **query)
    left = found(client, path, k=100, **query, **chosen)
    expected = [one for one in whole["items"] if fits(one["item"])]
    assert all(fits(one["item"]) for one in left["items"])
    # With fewer in the way, the list reaches further down than the hundred of the whole one.
    assert [one["item"] for one in left["items"]][: len(expected)] == [o["item"] for o in expected]
    if expected:
        before, after = scored(whole), scored(left)
        assert all(after[one] == before[one] for one in before if one in after)


def test_what_has_no_price_is_in_no_range_of_prices(client):
    columns = client.parts.router.stable.catalogue.columns
    unpriced = columns.price.copy()
    unpriced[5] = float("nan")
    client.parts.router.stable.catalogue.columns = replace(columns, price=unpriced)
    everything = list_of(client, "max", k=100, price_min=0)
    assert item(5) not in ids(everything)
    assert item(9) in ids(everything)


def test_a_live_change_counts_from_the_next_request_on(client):
    catalogue = client.parts.router.stable.catalogue
    first = ids(list_of(client, "ana"))[0]
    sold_out = catalogue.columns.available.copy()
    sold_out[catalogue.row(first)] = False
    catalogue.columns = replace(catalogue.columns, available=sold_out)
    for path, query in LISTS.values():
        assert first not in ids(found(client, path, k=100, **query))
    new = found(client, "/v1/new-items", limit=24)
    assert first not in [one["item_id"] for one in new["items"]]


@everywhere
@pytest.mark.parametrize("chosen", [{}, {"category": "Sports", "price_max": 100}])
def test_pages_put_together_are_the_whole_list(client, path, query, chosen):
    whole = found(client, path, k=100, **query, **chosen)
    read = pages(client, path, 9, **query, **chosen)
    assert [len(page["items"]) for page in read[:-1]] == [9] * (len(read) - 1)
    # Which parts of scores are told together depends on what else is on the page.
    together, expected = (
        [{name: entry[name] for name in entry if name != "reasons"} for entry in entries]
        for entries in ([one for page in read for one in page["items"]], whole["items"])
    )
    assert together[: len(expected)] == expected
    assert len({one["item"]["item_id"] for one in together}) == len(together)


def test_what_is_new_comes_in_pages_too(client):
    whole = found(client, "/v1/new-items")
    first = found(client, "/v1/new-items", limit=1)
    second = found(client, "/v1/new-items", limit=1, after=first["next"])
    assert "next" in first
    assert second["next"] is None
    assert first["items"] + second["items"] == whole["items"]
    assert found(client, "/v1/new-items", category="Nowhere")["items"] == []


def test_no_item_comes_twice_where_the_list_changes_between_pages(client):
    first = found(client, LISTS["recommendations"][0], k=30)
    # Ana turns to climbing: what was at the end moves up, what was ahead falls behind.
    post(client, *(event(f"e{row}", "ana", item(row)) for row in (1, 5, 13, 17)))
    later = pages(client, LISTS["recommendations"][0], 30)
    moved = [page["items"] for page in later]
    assert ids(first) != [one["item"]["item_id"] for one in moved[0]]
    after, seen = first["next"], set(ids(first))
    while after:
        page = found(client, LISTS["recommendations"][0], k=30, after=after)
        assert not seen & set(ids(page))
        seen |= set(ids(page))
        after = page.get("next")
    assert len(seen) == NUM_ITEMS - 1 - 3 - len(
        {1, 5, 13, 17} - {int(one[-4:]) for one in ids(first)}
    )


def test_a_page_goes_on_at_another_release(client, make_client, folder):
    """Rows differ there: a token names items, not rows."""
    first = found(client, LISTS["recommendations"][0], k=10)
    other = write_small_release(folder / "v2", "v2", first_ids=("new-a", "new-b"))
    served = make_client(other)
    second = found(served, LISTS["recommendations"][0], k=10, after=first["next"])
    assert second["release"] == "v2"
    assert not set(ids(first)) & set(ids(second))
    assert [one["rank"] for one in second["items"]] == list(range(11, 21))


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token[:-7],
        lambda token: "B" + token[1:],
        lambda token: token.swapcase(),
        lambda _: "x",
        lambda _: "///",
        lambda _: "\u00e4",
        lambda _: base64.urlsafe_b64encode(bytes(13)).decode(),
    ],
)
def test_a_damaged_token_is_refused_in_one_sentence(client, spoilt):
    token = found(client, LISTS["recommendations"][0], k=3)["next"]
    answer = client.get(LISTS["recommendations"][0], params={"after": spoilt(token)})
    assert "send it as it came" in assert_problem(answer, 422)["detail"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/users/max/recommendations", {}),
        ("/v1/users/ana/recommendations", {"category": "Home"}),
        ("/v1/users/ana/recommendations", {"surface": "cart"}),
        ("/v1/users/ana/search", {"q": "thing"}),
    ],
)
def test_a_token_of_another_list_is_refused(client, path, query):
    token = found(client, "/v1/users/ana/recommendations", k=3)["next"]
    answer = client.get(path, params={"after": token, **query})
    assert "belongs to another list" in assert_problem(answer, 422)["detail"]


def test_a_token_is_bounded_whatever_was_shown():
    everything = [f"{row}" for row in range(MAX_SHOWN - 1)]
    token = NOTHING_SHOWN.next_page(everything, bytes(8))
    assert len(token) <= MAX_TOKEN
    shown = Shown.read(token, bytes(8))
    assert len(shown) == MAX_SHOWN - 1
    assert shown.misses(["5", "new"]).tolist() == [False, True]
    assert shown.next_page(["one more"], bytes(8)) is None


@settings(max_examples=50, deadline=None)
@given(st.sets(st.text(min_size=1, max_size=20), max_size=40), st.binary(min_size=8, max_size=8))
def test_a_token_tells_what_was_shown_and_nothing_else(items, about):
    token = NOTHING_SHOWN.next_page(items, about)
    shown = Shown.read(token, about)
    assert not shown.misses([*items]).any()
    assert len(shown) == len(items)
    with pytest.raises(BadInputError, match="another list"):
        Shown.read(token, bytes(byte ^ 1 for byte in about))


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"price_min": 5, "price_max": 4}, "the lower one first"),
        ({"price_min": -1}, "query.price_min"),
        ({"price_max": "nan"}, "query.price_max"),
        ({"category": ["x"] * 21}, "query.category"),
        ({"brand": ""}, "query.brand"),
        ({"exclude": ["x"] * 201}, "query.exclude"),
        ({"attribute": ["x"] * 4}, "query.attribute"),
        ({"surface": "shelf"}, "query.surface"),
        ({"surface": "product"}, "with 0 item_id"),
        ({"surface": "product", "item_id": ["a", "b"]}, "with 2 item_id"),
        ({"item_id": "a"}, "say surface=product"),
        ({"price": 4}, "did you mean price_m"),
    ],
)
def test_what_does_not_fit_is_refused(client, query, where):
    answer = client.get("/v1/users/ana/recommendations", params=query)
    assert where in assert_problem(answer, 422)["detail"]


def test_a_product_page_draws_on_its_item_and_does_not_show_it(client):
    beside = list_of(client, "max", surface="product", item_id=item(21), k=40)
    assert item(21) not in ids(beside)
    reasons = [r for one in beside["items"] for r in one["reasons"] if r.get("item_id") == item(21)]
    assert reasons
    assert all(reason["kind"] == "own" for reason in reasons)
    climbing = [one["item"]["category"] for one in beside["items"]].count("Sports/Climbing")
    home = [one["item"]["category"] for one in list_of(client, "max", k=40)["items"]]
    assert climbing > home.count("Sports/Climbing")


def test_a_product_page_of_an_item_that_no_release_knows_is_the_list_of_home(client):
    beside = list_of(client, "max", surface="product", item_id="unknown")
    assert ids(beside) == ids(list_of(client, "max"))


def test_a_cart_page_is_the_list_after_putting_its_items_in_the_cart(client):
    carted = list_of(client, "max", surface="cart", item_id=[item(21), item(25)])
    post(client, *(event(f"c{row}", "max", item(row), "cart") for row in (21, 25)))
    assert ids(carted) == ids(list_of(client, "max"))


def test_a_stranger_gets_a_list_of_their_own_by_what_they_look_at(client):
    beside = list_of(client, "nobody", surface="product", item_id=item(21), k=5)
    assert beside["source"] == "own"
    assert {one["item"]["category"] for one in beside["items"]} == {"Sports/Climbing"}


def counted(metrics, signal):
    text = metrics.expose().decode()
    line = f'coterie_arm_signals_total{{arm="stable",signal="{signal}"}} '
    return float(next(one for one in text.splitlines() if one.startswith(line)).split()[-1])


HALF_OF_HOME = tuple(item(row) for row in range(0, 90, 4))
NEARLY_ALL = Shown.read(
    NOTHING_SHOWN.next_page([item(row) for row in range(115)], bytes(8)), bytes(8)
)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(ItemFilter(categories=("nowhere",))),
        Wanted(ItemFilter(categories=("Home",), exclude=HALF_OF_HOME)),
        Wanted(shown=NEARLY_ALL),
    ],
    ids=["nothing left", "few left", "last page"],
)
def test_a_short_list_of_what_a_filter_leaves_is_no_flaw_of_its_release(release, wanted):
    metrics = ServingMetrics()
    router = make_router(release, people(), metrics)
    for user in ("ana", "lou", "max"):
        asyncio.run(router.answer(user, 20, False, wanted))
    assert [counted(metrics, s) for s in ("malformed", "duplicate_lists")] == [0, 0]
