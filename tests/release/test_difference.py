"""Two releases compared: every damage shows in its figure, and a healthy change in none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from coterie.errors import BadInputError
from coterie.recommend.encoder import Encoder
from coterie.release.bundle import Release, ReleaseContent, write_release
from coterie.release.difference import ReleaseFacts, compare, compare_releases
from coterie.release.encoders import ReleasedEncoder
from coterie.release.learned_until import LEARNED_UNTIL, until_of
from coterie.release.made_up import MadeUpShoppers
from coterie.rollout.figures import FIGURES, judge_figures, usual_limits
from coterie.schema import RELEASED_ITEMS

NUM = 240
CATEGORIES = ("Home/Kitchen", "Sports/Climbing", "Books/Science", "Garden/Tools", "Toys", "Music")
WIDTH = 16
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """Items of a category point the same way; friends count as training would have it."""
    rng = np.random.default_rng(5)
    category = np.arange(NUM) % len(CATEGORIES)
    centres = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0][: len(CATEGORIES)]
    vectors = centres[category] + rng.normal(size=(NUM, WIDTH)) * 0.2
    tensor = torch.from_numpy(vectors.astype(np.float32))
    asked_by = tensor + 0.15 * torch.randn((NUM, WIDTH), generator=torch.Generator().manual_seed(2))
    encoder = {f"encoder.{name}": p.detach() for name, p in Encoder().named_parameters()}
    catalogue = pa.table(
        {
            "item_id": [f"item-{row:04d}" for row in range(NUM)],
            "title": [f"Thing {row} of {CATEGORIES[c]}" for row, c in enumerate(category)],
            "description": ["Good"] * NUM,
            "price": [5.0 + row for row in range(NUM)],
            "category": [CATEGORIES[c] for c in category],
            "brand": ["Acme"] * NUM,
            "image_uri": [f"https://shop.example/{row}.jpg" for row in range(NUM)],
            "audio_uri": pa.nulls(NUM, pa.string()),
            "available": [row % 20 != 0 for row in range(NUM)],
            "created_at": [datetime(2026, 1, 1, tzinfo=UTC) + row * DAY for row in range(NUM)],
        },
        schema=RELEASED_ITEMS,
    )
    text = ReleasedEncoder("words", "a" * 64)
    content = ReleaseContent(
        version="v7",
        parameters={
            "item_in": asked_by,
            "item_out": tensor,
            "item_bias": torch.linspace(0.1, 0.0, NUM),
            "inverse_temperature": torch.tensor(4.0),
            "popularity_weight": torch.tensor(0.0),
            **encoder,
            "encoder.kind": torch.linspace(-1.0, 0.0, len(encoder["encoder.kind"])),
        },
        catalogue=catalogue,
        popularity=rng.permutation(np.arange(NUM)).astype(np.float32),
        metrics={LEARNED_UNTIL: 20_700.0},
        data_fingerprint="small",
        limits={},
        vectors={"text": vectors.astype(np.float16)},
        encoders={"text": text},
    )
    folder = str(tmp_path_factory.mktemp("releases") / "v7")
    return write_release(folder, content)


def with_column(release, name, values):
    table = release.catalogue
    place = table.column_names.index(name)
    column = pa.array(values, table.schema.field(name).type)
    return replace(release, catalogue=table.set_column(place, table.schema.field(name), column))


def with_parameters(release, **tensors):
    return replace(release, parameters={**release.parameters, **tensors})


def rows(release, some):
    """A release of some items alone, in another order than they had."""
    taken, num = np.asarray(some), len(release.items)
    parameters = {
        name: tensor[torch.from_numpy(taken)] if tensor.shape[:1] == (num,) else tensor
        for name, tensor in release.parameters.items()
    }
    table = release.catalogue.take(pa.array(taken))
    items = replace(release.items, ids=table.column("item_id").combine_chunks())
    return Release(
        release.manifest, parameters, table, release.popularity[taken], items, release.digest
    )


def judged(live, canary, override=()):
    shoppers = MadeUpShoppers.of(live)
    figures = compare(ReleaseFacts.of(live, shoppers), ReleaseFacts.of(canary, shoppers))
    return {one.name: one for one in judge_figures(figures, dict(usual_limits()), override)}


def bad(live, canary):
    return {name for name, one in judged(live, canary).items() if one.verdict == "bad"}


def column(release, name):
    return release.catalogue.column(name).to_pylist()


def titles(change):
    return lambda r: with_column(r, "title", [change(t) for t in column(r, "title")])


def prices(change):
    return lambda r: with_column(r, "price", [change(p) for p in column(r, "price")])


def in_stock(kept):
    return lambda r: with_column(r, "available", [kept(n) for n in range(NUM)])


def best_sellers_gone(release):
    worst = np.argsort(-release.popularity)[: NUM // 3].tolist()
    return in_stock(lambda row: row not in worst)(release)


def renamed(release, share):
    ids = [
        f"new-{n}" if n < share * NUM else one for n, one in enumerate(column(release, "item_id"))
    ]
    changed = with_column(release, "item_id", ids)
    table = changed.catalogue.column("item_id").combine_chunks()
    return replace(changed, items=replace(release.items, ids=table))


def robots(release):
    """Made-up accounts had what nobody else did: ranks of all others stay."""
    popularity = release.popularity.copy()
    popularity[np.argsort(popularity)[: NUM // 5]] = 10 * popularity.max()
    return replace(release, popularity=popularity)


def partly_zeros(release):
    vectors = release.parameters["item_out"].clone()
    vectors[: NUM // 6] = 0
    return with_parameters(release, item_out=vectors)


def negated(release):
    return with_parameters(release, item_out=-release.parameters["item_out"])


def at_random(release):
    noise = torch.randn((NUM, WIDTH), generator=torch.Generator().manual_seed(1))
    return with_parameters(release, item_in=noise, item_out=noise.flip(0))


def in_category(name, of, change):
    """Change a column of the items of one category alone."""

    def make(release):
        values = zip(column(release, name), column(release, "category"), strict=True)
        return with_column(release, name, [change(v) if c == of else v for v, c in values])

    return make


def swapped_categories(release):
    names = {"Toys": "Music", "Music": "Toys"}
    changed = [names.get(one, one) for one in column(release, "category")]
    return with_column(release, "category", changed)


def other_vectors(make):
    """Put others in the place of the vectors of texts; the live ones are of length 1 as well."""

    def changed(release):
        return replace(release, vectors={"text": make(release.vectors["text"])})

    return changed


def unlisted(release):
    of = np.array([one == "Toys" for one in column(release, "category")])
    return with_parameters(
        release, item_bias=release.parameters["item_bias"] - 100.0 * torch.from_numpy(of)
    )


def traded(values, one_in):
    """Some values, each in the place of the next of them."""
    some = np.arange(0, len(values), one_in)
    order = np.arange(len(values))
    order[some] = np.roll(some, 1)
    return order


def elsewhere(release):
    """Some items have what was learned of one of another category."""
    order = torch.from_numpy(traded(column(release, "title"), 11))
    return with_parameters(release, item_out=release.parameters["item_out"][order])


def foreign(release):
    """Items of another shop beside one's own: as dear to shoppers as these."""
    both = rows(release, np.r_[np.arange(NUM), np.arange(0, NUM, 2)])
    ids = column(release, "item_id") + [f"other-{n}" for n in range(NUM // 2)]
    changed = with_column(both, "item_id", ids)
    table = changed.catalogue.column("item_id").combine_chunks()
    return replace(changed, items=replace(both.items, ids=table))


DAMAGES = {
    "a fifth of the items traded titles": (
        lambda r: with_column(
            r,
            "title",
            [column(r, "title")[n] for n in traded(column(r, "title"), 5)],
        ),
        {"titles_traded"},
    ),
    "no item has a brand": (
        lambda r: with_column(r, "brand", [None] * NUM),
        {"brands_changed"},
    ),
    "pictures were lost": (
        lambda r: with_column(
            r, "image_uri", [None if n % 4 == 0 else "https://cdn.example/x" for n in range(NUM)]
        ),
        {"pictures_lost"},
    ),
    "a tenth of what was learned is of others": (elsewhere, {"learned_elsewhere"}),
    "what is asked by and what answers changed places": (
        lambda r: with_parameters(
            r, item_in=r.parameters["item_out"], item_out=r.parameters["item_in"]
        ),
        {"roles_traded"},
    ),
    "what is looked at counts as what is bought": (
        lambda r: with_parameters(r, **{"encoder.kind": r.parameters["encoder.kind"].flip(0)}),
        {"kinds_agree"},
    ),
    "one season counts": (
        lambda r: replace(
            r, popularity=np.where(np.arange(NUM) % 6 == 1, 10, 0.1) * (r.popularity + NUM)
        ),
        {"category_had"},
    ),
    "items of another shop": (foreign, {"new_listed", "vectors_shared"}),
    "a fifth of the titles are another item's": (
        lambda r: with_column(
            r,
            "title",
            [column(r, "title")[n - (n % 5 == 1)] for n in range(NUM)],
        ),
        {"titles_shared"},
    ),
    "descriptions of another language": (
        lambda r: with_column(r, "description", ["Bueno"] * NUM),
        {"descriptions_changed"},
    ),
    "two categories changed names": (swapped_categories, {"categories_swapped"}),
    "one category in another currency": (
        in_category("price", "Toys", lambda p: 7.5 * p),
        {"category_price", "prices_far_off"},
    ),
    "one category sold out": (
        in_category("available", "Toys", lambda _: False),
        {"category_available", "category_listed"},
    ),
    "one category in no list": (unlisted, {"category_listed"}),
    "vectors of texts are noise": (
        other_vectors(lambda v: np.random.default_rng(1).normal(size=v.shape).astype(np.float16)),
        {"content_agrees"},
    ),
    "vectors of texts are those of others": (
        other_vectors(lambda v: v[np.random.default_rng(1).permutation(NUM)]),
        {"content_agrees"},
    ),
    "vectors of texts tell nothing apart": (
        other_vectors(lambda v: np.repeat(v[:1], NUM, axis=0)),
        {"content_agrees"},
    ),
    "what was learned says nothing": (
        lambda r: with_parameters(r, inverse_temperature=torch.tensor(0.0)),
        {"score_parts"},
    ),
    "every title is a mark": (titles(lambda _: "?"), {"blank_titles", "titles_changed"}),
    "titles are empty": (titles(lambda _: "  "), {"blank_titles", "titles_changed"}),
    "titles of another item": (
        lambda r: with_column(r, "title", np.roll(column(r, "title"), 1).tolist()),
        {"titles_changed"},
    ),
    "every price is 0": (prices(lambda _: 0.0), {"zero_prices"}),
    "prices are below 0": (prices(lambda p: -p), {"zero_prices"}),
    "prices in cents": (prices(lambda p: 100 * p), {"price_ratio", "prices_far_off"}),
    "no price is known": (prices(lambda _: None), {"prices_missing"}),
    "one item is in stock": (
        in_stock(lambda row: row == 7),
        {"available", "had_available", "lists_made", "lists_agree", "items_shown"},
    ),
    "what sells best is not in stock": (best_sellers_gone, {"had_available"}),
    "half of the items are gone": (
        lambda r: rows(r, np.arange(NUM // 2)),
        {"items_lost", "history_known"},
    ),
    "all ids are others": (
        lambda r: renamed(r, 1.0),
        {"items_lost", "items_gained", "history_known", "lists_agree", "friends_share"},
    ),
    "no category is known": (
        lambda r: with_column(r, "category", [None] * NUM),
        {"categories_lost", "categories_changed"},
    ),
    "categories of other items": (
        lambda r: with_column(r, "category", np.roll(column(r, "category"), 1).tolist()),
        {"categories_changed"},
    ),
    "ids on what others had": (
        lambda r: replace(r, popularity=np.random.default_rng(0).permutation(r.popularity)),
        {"popularity_kept"},
    ),
    "nobody's friends count": (
        lambda r: with_parameters(r, friends_for=torch.tensor(0)),
        {"friends_share"},
    ),
    "what robots bought": (robots, {"popular_lost"}),
    "titles in a wrong encoding": (
        titles(lambda t: f"{t} Café".encode().decode("latin-1") if "7" in t else t),
        {"garbled_titles"},
    ),
    "a sixth without vectors": (partly_zeros, {"items_unlearned"}),
    "vectors turned round": (negated, {"lists_agree"}),
    "vectors at random": (at_random, {"lists_agree"}),
    "one list for everybody": (
        lambda r: with_parameters(
            r, item_bias=r.parameters["item_bias"] + 100 * torch.from_numpy(r.popularity)
        ),
        {"friends_share", "items_shown"},
    ),
    "what entered last is gone": (lambda r: rows(r, np.arange(int(0.85 * NUM))), {"newest_lost"}),
    "made a month before": (
        lambda r: replace(r, manifest=replace(r.manifest, created_at="2026-01-01T00:00:00+00:00")),
        {"older_than_live"},
    ),
    "made of events until eight days before": (
        lambda r: learned_until(r, 20_692.0),
        {"learned_earlier"},
    ),
    "what was had comes back at once": (
        lambda r: replace(
            r, manifest=replace(r.manifest, repurchase=dict.fromkeys(CATEGORIES, 0.0))
        ),
        {"again_sooner"},
    ),
    "vectors in double precision": (
        lambda r: with_parameters(
            r, **{name: r.parameters[name].double() for name in ("item_in", "item_out")}
        ),
        {"types_changed"},
    ),
    "no vectors of texts": (
        lambda r: replace(r, manifest=replace(r.manifest, encoders={})),
        {"content_lost"},
    ),
    "vectors far too long": (
        lambda r: with_parameters(
            r,
            **{
                name: torch.nn.functional.pad(r.parameters[name], (0, WIDTH * 47))
                for name in ("item_in", "item_out")
            },
        ),
        {"size_ratio"},
    ),
    "tensors that contradict each other": (
        lambda r: with_parameters(r, item_in=r.parameters["item_in"][:, :8]),
        {"lists_made"},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_shows_in_its_figures(live, damage):
    make, expected = DAMAGES[damage]
    assert expected <= bad(live, make(live))


def test_all_that_was_sold_out_does_not_come_back_at_once(live):
    sold_out = in_stock(lambda row: row % 4 > 0)(live)
    assert bad(sold_out, live) == {"restocked"}


def test_every_figure_is_shown_by_some_damage():
    shown = set().union(*(expected for _, expected in DAMAGES.values()))
    assert shown | {"live_unread", "restocked"} == set(FIGURES)


def learned_until(release, day):
    metrics = {**release.manifest.metrics, LEARNED_UNTIL: day}
    return replace(release, manifest=replace(release.manifest, metrics=metrics))


def elsewhere_in_space(release):
    """As another training leaves it: the vectors turned, what they say of each other the same."""
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(6)))[0]
    known = release.parameters
    return with_parameters(
        release, item_in=known["item_in"] @ turn, item_out=known["item_out"] @ turn
    )


def turned(vectors):
    """The same vectors as another encoder could have them: turned, and with some noise."""
    rng = np.random.default_rng(4)
    turn = np.linalg.qr(rng.normal(size=(vectors.shape[1],) * 2))[0]
    return (vectors @ turn + 0.05 * rng.normal(size=vectors.shape)).astype(np.float16)


def without_third(release):
    gone = [n for n in range(NUM) if column(release, "category")[n] == "Toys" and n // 6 % 3]
    return in_stock(lambda row: row % 20 != 0 and row not in gone)(release)


HEALTHY = {
    "vectors stand elsewhere in space": elsewhere_in_space,
    "six days of events less": lambda r: learned_until(r, 20_694.0),
    "until when it knows events is not said": lambda r: learned_until(r, None),
    "another encoder": other_vectors(turned),
    "a category is called otherwise": in_category("category", "Toys", lambda _: "Games"),
    "a category took another in": in_category("category", "Toys", lambda _: "Music"),
    "a category in a clearance": in_category("price", "Toys", lambda p: 0.4 * p),
    "two thirds of a category sold out": without_third,
    "the same again": lambda r: r,
    "another order": lambda r: rows(r, np.random.default_rng(1).permutation(NUM)),
    "a sale of everything": prices(lambda p: 0.7 * p),
    "a tenth out of stock": in_stock(lambda row: row % 20 != 0 and row % 10 != 3),
    "a tenth of the items gone": lambda r: rows(r, np.flatnonzero(np.arange(NUM) % 10 != 3)),
    "a tenth of the titles mended": lambda r: with_column(
        r, "title", [f"{t}!" if n % 10 == 0 else t for n, t in enumerate(column(r, "title"))]
    ),
    "pictures are elsewhere": lambda r: with_column(
        r, "image_uri", [f"https://cdn.example/{n}.jpg" for n in range(NUM)]
    ),
    "a fifth of the brands are written otherwise": lambda r: with_column(
        r, "brand", ["ACME" if n % 5 == 0 else "Acme" for n in range(NUM)]
    ),
    "vectors a little other": lambda r: with_parameters(
        r,
        item_out=r.parameters["item_out"]
        + 0.1 * torch.randn((NUM, WIDTH), generator=torch.Generator().manual_seed(2)),
    ),
}


@pytest.mark.parametrize("change", HEALTHY)
def test_a_healthy_change_exceeds_no_limit(live, change):
    assert bad(live, HEALTHY[change](live)) == set()


def test_a_catalogue_may_grow_by_a_tenth(live):
    small = rows(live, np.flatnonzero(np.arange(NUM) % 11 != 0))
    assert bad(small, live) == set()
    gained = judged(small, live)["items_gained"]
    assert gained.value == pytest.approx(0.1, abs=0.01)
    assert gained.examples[0] == "item-0000"


def test_figures_say_what_they_counted(live):
    found = judged(live, titles(lambda t: "?" if t.startswith("Thing 1") else t)(live))
    changed = found["titles_changed"]
    share = sum(t.startswith("Thing 1") for t in column(live, "title")) / NUM
    assert changed.value == pytest.approx(share)
    assert changed.examples[0] == "Thing 1 of Sports/Climbing → ?"
    assert changed.said == f"titles_changed {100 * share:.3g} % (at most 30 %)"
    assert found["price_ratio"].value == 1.0
    cheap = judged(live, prices(lambda p: 0.4 * p)(live))["price_ratio"]
    assert (cheap.value, cheap.canary) == pytest.approx((2.5, 0.4))


def test_what_was_not_said_and_is_now_has_changed_and_what_is_said_by_neither_has_not(live):
    silent = with_column(
        live, "category", [None] * (NUM // 2) + column(live, "category")[NUM // 2 :]
    )
    assert judged(silent, live)["categories_changed"].value == 0.5
    assert judged(live, silent)["categories_changed"].value == 0.5
    assert judged(silent, silent)["categories_changed"].value == 0.0


def test_titles_in_any_script_are_titles(live):
    assert bad(live, titles(lambda t: t)(live)) == set()
    scripts = titles(lambda t: ("コーヒー", "чайник", "شاي", "茶")[len(t) % 4])(live)
    assert judged(live, scripts)["blank_titles"].value == 0.0


def test_letters_of_any_language_are_not_garbled(live):
    words = ("São Paulo ÃO", "Äpfel Â", "Crème brûlée", "naïve ½ £5 °C", "コーヒー", "чайник")
    legible = titles(lambda t: words[int(t.split()[1]) % len(words)])(live)
    assert judged(live, legible)["garbled_titles"].value == 0.0
    for encoding in ("latin-1", "cp1252"):
        spoilt = [word.encode().decode(encoding, "replace") for word in words]
        garbled = titles(lambda t, s=spoilt: s[int(t.split()[1]) % len(s)])(live)
        assert judged(live, garbled)["garbled_titles"].value == 1.0, spoilt


def test_where_the_live_release_tells_nothing_of_friends_they_are_not_judged(live):
    alone = with_parameters(live, friends_for=torch.tensor(0))
    assert judged(alone, live)["friends_share"].verdict == "unknown"


def test_folders_are_compared_and_a_live_one_that_cannot_be_read_is_a_figure(live, tmp_path):
    folder = tmp_path / "v8"
    content = ReleaseContent(
        version="v8",
        parameters=live.parameters,
        catalogue=titles(lambda _: "?")(live).catalogue,
        popularity=live.popularity,
        metrics={},
        data_fingerprint="small",
        limits={},
    )
    write_release(str(folder), content)

    def gone():
        raise BadInputError("the store holds no such release")

    [figure] = compare_releases(gone, lambda: str(folder))
    [told] = judge_figures([figure], dict(usual_limits()))
    assert told.verdict == "bad"
    assert told.examples == ("the store holds no such release",)
    with pytest.raises(BadInputError, match="no folder"):
        compare_releases(lambda: str(folder), lambda: str(tmp_path / "v9"))
    figures = compare_releases(lambda: str(folder), lambda: str(folder))
    assert {one.name for one in figures} == set(FIGURES)


def test_made_up_shoppers_are_the_same_each_time(live):
    one, other = MadeUpShoppers.of(live), MadeUpShoppers.of(live)
    assert one.item_ids.equals(other.item_ids)
    assert pc.all(pc.is_in(one.item_ids, value_set=live.items.ids)).as_py()
    batch = one.of_release(live.items)
    assert not batch.known.all()
    assert batch.known.any()


@pytest.mark.parametrize("said", [None, "20700", True, -1.0, 1e12, float("nan")])
def test_a_day_that_cannot_be_is_none(said):
    assert until_of({LEARNED_UNTIL: said}) is None
    assert until_of({LEARNED_UNTIL: 20_700}) == 20_700.0
