"""The library of faulty releases: each is a whole release, and bad in the way that it says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.faults_seams import SEAMS
from benchmarks.lists_release import make_release
from coterie.errors import BadInputError
from coterie.recommend.recommender import Recommender
from coterie.release.bundle import load_release, write_release
from coterie.release.encoders import ReleasedEncoder
from pipelines.faulty_releases.fault import content_of
from pipelines.faulty_releases.harmless import HARMLESS
from pipelines.faulty_releases.library import FAMILIES, FAULTS, SHOWN
from pipelines.faulty_releases.search import hashed

ALL = {**FAULTS, **{one.name: one for one in HARMLESS}}
UNREAD = ("not-numbers", "rare-not-numbers")
"""Releases that are refused as soon as they are read."""
ITEMS = 60
TITLES = [f"Caf\u00e9 {row}" for row in range(ITEMS)]
EXPECTED = {
    *("data", "catalogue", "vectors", "weights", "code path", "latency", "memory"),
    *("language", "duplicates", "staleness", "search"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A made-up release, some items of which are newer than others, sold out, or well spelt."""
    home = tmp_path_factory.mktemp("good")
    plain = make_release(str(home / "plain"), ITEMS)
    days = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=row % 7) for row in range(ITEMS)]
    table = plain.catalogue
    for name, values in {
        "created_at": days,
        "available": [row % 5 != 0 for row in range(ITEMS)],
        "title": TITLES,
        "description": [f"For all who like {title}" for title in TITLES],
        "brand": [f"brand-{row % 3}" for row in range(ITEMS)],
    }.items():
        place = table.column_names.index(name)
        kind = table.schema.field(name)
        table = table.set_column(place, kind, pa.array(values, kind.type))
    letters = ReleasedEncoder("letters", "ab" * 32)
    content = replace(
        content_of(plain, "v1"),
        catalogue=table,
        vectors={"text": hashed(TITLES)},
        encoders={"text": letters},
    )
    return write_release(str(home / "v1"), content)


def parts(release):
    """Everything of a release that a list, a search or a page could show."""
    return {
        **{name: tensor.numpy() for name, tensor in release.parameters.items()},
        **{name: np.array(column.to_pylist()) for name, column in columns(release)},
        **release.vectors,
        "popularity": release.popularity,
        "repurchase": release.manifest.repurchase,
        "created": release.manifest.created_at,
    }


def columns(release):
    return zip(release.catalogue.column_names, release.catalogue.columns, strict=True)


def test_there_are_many_of_every_family():
    found = [*FAULTS.values(), *(fault for fault, _ in SEAMS.values())]
    assert len(found) >= 50
    assert {fault.family for fault in found} == EXPECTED
    assert len({fault.name for fault in (*found, *HARMLESS)}) == len(found) + len(HARMLESS)
    assert sum(len(family.FAULTS) for family in FAMILIES) == len(FAULTS)
    assert set(SHOWN) <= set(FAULTS)


@pytest.mark.parametrize("name", [name for name in ALL if name not in UNREAD])
def test_each_is_a_whole_release_under_its_version_and_made_the_same_again(good, tmp_path, name):
    digest = ALL[name].write(good, str(tmp_path / name), f"v1-{name}")
    written = load_release(str(tmp_path / name))
    assert (written.digest, written.version) == (digest, f"v1-{name}")
    ALL[name].write(good, str(tmp_path / "again"), f"v1-{name}")
    again = parts(load_release(str(tmp_path / "again")))
    for part, values in parts(written).items():
        if part != "created" or name == "older-than-live":  # else it is the moment of writing
            assert np.array_equal(values, again[part]), part


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in UNREAD])
def test_each_fault_changes_something_that_lists_are_made_of(good, tmp_path, name):
    FAULTS[name].write(good, str(tmp_path / name), "v2")
    before, after = parts(good), parts(load_release(str(tmp_path / name)))
    differ = [n for n in before.keys() | after.keys() if not same(before.get(n), after.get(n))]
    assert [part for part in differ if part != "created" or name == "older-than-live"]


def same(one, other):
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return one is other or (type(one) is type(other) and one == other)


def test_a_copy_is_the_release_under_another_version_with_all_its_rules(good, tmp_path):
    [copy] = [one for one in HARMLESS if one.name == "copy"]
    FAULTS["again-at-once"].write(good, str(tmp_path / "ruled"), "v2")
    ruled = load_release(str(tmp_path / "ruled"))
    assert ruled.manifest.repurchase
    copy.write(ruled, str(tmp_path / "copy"), "v3")
    written = parts(load_release(str(tmp_path / "copy")))
    assert all(
        same(values, written[part]) for part, values in parts(ruled).items() if part != "created"
    )


@pytest.mark.parametrize("name", UNREAD)
def test_vectors_that_are_no_numbers_are_refused_though_every_byte_is_as_it_was_written(
    good, tmp_path, name
):
    FAULTS[name].write(good, str(tmp_path / "v2"), "v2")
    with pytest.raises(BadInputError, match="not finite"):
        load_release(str(tmp_path / "v2"))


@pytest.mark.parametrize("name", ["half-catalogue", "items-twice", "more-items", "stale-catalogue"])
def test_items_that_are_taken_keep_their_vectors_and_their_neighbours(good, tmp_path, name):
    """Were rows mixed up, a fault of the catalogue would be one of vectors, and caught as that."""
    ALL[name].write(good, str(tmp_path / name), "v2")
    taken = load_release(str(tmp_path / name))
    known = set(good.catalogue.column("item_id").to_pylist())
    ids = [item for item in taken.catalogue.column("item_id").to_pylist() if item in known]
    rows, at = good.items.rows(ids), taken.items.rows(ids)
    assert len(rows) >= 30
    for part in good.manifest.per_item:
        assert np.array_equal(
            good.parameters[part].numpy()[rows], taken.parameters[part].numpy()[at]
        )
    assert np.allclose(neighbours(taken)[np.ix_(at, at)], neighbours(good)[np.ix_(rows, rows)])


def neighbours(release):
    size = release.catalogue.num_rows
    offsets, item, near = (
        release.parameters[f"linear.near{rest}"].numpy() for rest in ("_offsets", "_item", "")
    )
    found = np.zeros((size, size))
    np.add.at(found, (np.repeat(np.arange(size), np.diff(offsets)), item), near)
    return found


@pytest.mark.parametrize("name", ["slow", "crowded", "double-precision"])
def test_what_is_slow_or_large_makes_the_same_scores(good, tmp_path, name):
    """Its fault is one alone: other lists would be noticed for another reason."""
    FAULTS[name].write(good, str(tmp_path / name), "v2")
    bad = load_release(str(tmp_path / name))
    bytes_of = [sum(t.nbytes for t in one.parameters.values()) for one in (good, bad)]
    assert bytes_of[1] > bytes_of[0]
    asked = some_shopper(good)
    scores = [
        Recommender(one.parameters, one.popularity).scores(asked).numpy() for one in (good, bad)
    ]
    assert np.allclose(scores[0], scores[1], atol=1e-4)


def some_shopper(release):
    from coterie.recommend.batches import Recent, shopper_from_features

    own = Recent(np.array([3, 5]), (2, 2), (1_700_000_000_000, 1_690_000_000_000))
    return shopper_from_features(own, [own], (0.5, 0.5, 0.5, 0.5))
