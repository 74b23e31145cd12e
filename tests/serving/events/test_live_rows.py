"""What changes make of rows: the same on one machine and on a cluster, and in whatever order."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logged import event, metrics
from redis_server import PASSWORD, RedisServer

from coterie.data.changed_tables import read_changes
from coterie.data.changes import Change, is_there, states_of, tie_key, values_of
from coterie.schema import TieKind
from serving.events.open import open_log, open_rows
from serving.ingestion.exporter import Exporter, restore_changes


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = RedisServer(tmp_path_factory.mktemp("redis"), more="appendfsync no\n")
    yield running
    running.stop()


@pytest.fixture(params=["sqlite", "redis"])
def place(request, folder):
    if request.param == "sqlite":
        return f"sqlite://{folder}/events.sqlite"
    running = request.getfixturevalue("server")
    running.ask("FLUSHALL")
    return running.place


@pytest.fixture
def opened(place):
    found = []

    def open_one(make):
        found.append(make(place, PASSWORD))
        return found[-1]

    yield open_one
    for one in found:
        one.close()


@pytest.fixture
def log(opened):
    return opened(open_log)


@pytest.fixture
def rows(opened):
    return opened(open_rows)


def priced(change_id, ts_ms, price, item_id="pan", **more):
    return Change(change_id, "items", (item_id,), ts_ms, values={"price": price}, **more)


def befriended(change_id, ts_ms, exists=True, pair=("ana", "bea")):
    return Change(change_id, "ties", (*pair, "friend"), ts_ms, exists, {"weight": 1.0})


def test_nothing_changed_yet(rows):
    assert rows.version() == 0
    assert (rows.since(0).items, rows.since(0).users, rows.ties_of("ana")) == ({}, {}, {})


def test_a_change_is_there_as_soon_as_it_is_in_the_log(log, rows):
    assert log.append([priced("c1", 5, 1.5, exists=True)]) == [True]
    changed = rows.since(0)
    assert changed.version == rows.version() > 0
    assert values_of(changed.items["pan"]) == {"price": 1.5}
    assert is_there(changed.items["pan"])
    assert rows.since(changed.version).items == {}


def test_features_need_not_be_told_of_changes_and_exports_have_them(log):
    changes = [priced("c1", 5, 1.5), befriended("c2", 6)]
    log.append(changes)
    assert (log.count_unpushed(), len(log.unpushed(10))) == (0, 0)
    batch = log.unexported(10)
    assert (list(batch.changes), batch.events) == (changes, ())


def test_only_what_changed_since_is_read(log, rows):
    log.append([priced("c1", 5, 1.0), priced("c2", 5, 2.0, "pot")])
    before = rows.version()
    log.append([priced("c3", 6, 3.0, "pot"), Change("c4", "users", ("ü",), 6, True)])
    changed = rows.since(before)
    assert (set(changed.items), set(changed.users)) == ({"pot"}, {"ü"})
    assert values_of(changed.items["pot"]) == {"price": 3.0}


def test_a_friendship_is_both_peoples_and_ends_for_both(log, rows):
    log.append([befriended("c1", 5)])
    for one, other in (("ana", "bea"), ("bea", "ana")):
        assert is_there(rows.ties_of(one)[other, "friend"])
    log.append([befriended("c2", 6, exists=False)])
    for one, other in (("ana", "bea"), ("bea", "ana")):
        assert is_there(rows.ties_of(one)[other, "friend"]) is False


def test_who_follows_or_left_somebody_is_found_among_those_that_are_asked_about(log, rows):
    def follows(change_id, who, whom, kind="follow", exists=True):
        return Change(change_id, "ties", tie_key(who, whom, TieKind(kind)), 5, exists, {})

    log.append([follows("c1", "bea", "ana"), follows("c2", "cleo", "ana", "trust", exists=False)])
    log.append([befriended("c3", 5), follows("c4", "ana", "dora"), follows("c5", "eve", "ana")])
    assert rows.turned_to("ana", ["bea", "cleo", "dora", "nobody"]) == {"bea", "cleo"}
    assert rows.turned_to("ana", [f"p{n}" for n in range(1200)] + ["eve"]) == {"eve"}
    assert rows.turned_to("dora", ["ana"]) == {"ana"}
    assert rows.turned_to("bea", ["ana"]) == frozenset(), "a friendship is no tie of its own"
    assert rows.turned_to("ana", []) == frozenset()
    ties, turned = rows.ties_around("bea", ["ana", "cleo", "dora"])
    assert (set(ties), turned) == ({("ana", "follow"), ("ana", "friend")}, frozenset())
    assert rows.ties_around("ana", ["dora", "eve", "bea"])[1] == {"bea", "eve"}
    assert rows.ties_around("nobody", []) == ({}, frozenset())


def test_a_change_that_is_known_changes_nothing(log, rows):
    log.append([priced("c1", 5, 1.0), priced("c1", 7, 3.0)])
    assert log.append([priced("c1", 6, 2.0)]) == [False]
    assert values_of(rows.since(0).items["pan"]) == {"price": 1.0}


def test_changes_are_exported_beside_events_and_restored_into_a_log_that_lost_them(log, folder):
    shop = str(folder / "shop")
    changes = [
        priced("c1", 5, 1.0, exists=True),
        priced("c2", 6, 2.0),
        befriended("c3", 5),
        Change("c4", "users", ("ana",), 7, True, {"may_be_used": False}),
    ]
    log.append([event(), *changes[:2]])
    exporter = Exporter(log, shop, metrics())
    assert exporter.export() == 3
    log.append(changes[2:])
    assert exporter.export() == 2
    assert read_changes(shop) == states_of(changes)
    place = f"sqlite://{folder}/made-anew.sqlite"
    anew, rows = open_log(place), open_rows(place)
    assert (restore_changes(anew, shop), restore_changes(anew, shop)) == (4, 0)
    assert values_of(rows.since(0).items["pan"]) == {"price": 2.0}
    assert values_of(rows.since(0).users["ana"]) == {"may_be_used": False}
    assert is_there(rows.ties_of("bea")["ana", "friend"])
    # What is exported once more is the same once more.
    Exporter(anew, shop, metrics()).export()
    assert read_changes(shop) == states_of(changes)
    anew.close()
    rows.close()


def test_two_writers_lose_nothing_of_each_other(opened, rows):
    """Each reads a row's state, and writes it: without a comparison one would win over both."""
    logs = [opened(open_log), opened(open_log)]

    def write(number):
        for turn in range(40):
            field = f"field-{number}-{turn}"
            change = Change(field, "items", ("pan",), 5, values={field: turn})
            logs[number].append([change])

    threads = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows.since(0).items["pan"]) == 80


FIELDS = st.sampled_from(["price", "title", "available"])


@st.composite
def changes(draw):
    table, key = draw(
        st.sampled_from(
            [
                ("items", ("pan",)),
                ("items", ("pot",)),
                ("users", ("ana",)),
                ("ties", ("ana", "bea", "friend")),
                ("ties", ("bea", "ana", "follow")),
            ]
        )
    )
    return Change(
        draw(st.uuids()).hex,
        table,
        key,
        draw(st.integers(1, 4)),
        draw(st.sampled_from([None, True, False])),
        draw(st.dictionaries(FIELDS, st.integers(0, 3))),
    )


@given(st.lists(changes(), max_size=8), st.randoms(use_true_random=False))
def test_any_order_of_changes_with_late_and_double_ones_ends_alike(made, random):
    ordered = sorted(made, key=lambda one: (one.ts_ms, one.change_id))
    given_out = [*made, *random.choices(made, k=len(made))] if made else []
    random.shuffle(given_out)
    assert states_of(given_out) == states_of(ordered)


@settings(max_examples=15, deadline=None)
@given(batches=st.lists(st.lists(changes(), max_size=4), max_size=4))
def test_logs_end_where_the_ordered_changes_end(tmp_path_factory, batches):
    place = f"sqlite://{tmp_path_factory.mktemp('log')}/events.sqlite"
    log, rows = open_log(place), open_rows(place)
    for batch in (*batches, *reversed(batches)):
        log.append(batch)
    made = {one.change_id: one for batch in batches for one in batch}
    ordered = states_of(sorted(made.values(), key=lambda one: (one.ts_ms, one.change_id)))
    found = rows.since(0)
    assert {key[0]: dict(state) for key, state in ordered["items"].items()} == dict(found.items)
    assert {key[0]: dict(state) for key, state in ordered["users"].items()} == dict(found.users)
    for src in ("ana", "bea"):
        expected = {key[1:]: state for key, state in ordered["ties"].items() if key[0] == src}
        assert rows.ties_of(src) == expected
    log.close()
    rows.close()
