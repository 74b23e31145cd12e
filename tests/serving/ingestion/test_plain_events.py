"""What is read without asking the contract is read as the contract reads it."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coterie.schema import EVENT_KINDS, EventKind
from serving.ingestion.intake import Intake
from serving.ingestion.plain_events import plain_event

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_999, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
INTAKE = Intake(3650.0, 300.0)
OLDEST_MS = NOW_MS - 3650 * 86_400_000
ORDINARY = {
    "event_id": "web-000001",
    "user_id": "ana",
    "item_id": "a/b%2F",
    "event": "click",
    "ts": "2026-02-28T23:59:59.123+01:00",
    "value": 4.5,
    "referrer_user_id": "bea@example.org"[:11],
    "list_id": "0123456789ab-3e8-000000000000",
}

IDS = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=127), max_size=4),
    st.sampled_from(
        [None, 7, 12.0, 12.5, True, "NULL", "nan", "x" * 256, "x" * 257, "12.0", "1E+9"]
    ),
    st.text(max_size=3),
)
TIMES = st.one_of(
    st.datetimes(datetime(2016, 3, 5), datetime(2026, 3, 2)).flatmap(
        lambda moment: st.sampled_from(
            [
                f"{moment.isoformat()}Z",
                f"{moment.isoformat(timespec='milliseconds')}Z",
                f"{moment.isoformat(timespec='seconds')}-11:30",
                f"{moment.isoformat(timespec='seconds')}.5+23:59",
                f"{moment:%Y-%m-%dT%H:%M:%S}",
                int(moment.replace(tzinfo=UTC).timestamp() * 1000),
                int(moment.replace(tzinfo=UTC).timestamp()),
            ]
        )
    ),
    st.sampled_from(
        [
            None,
            "",
            "2026-02-30T00:00:00Z",
            "2026-02-01T24:00:00Z",
            "2026-02-01T00:00:60Z",
            "2026-02-01T00:00:00+24:00",
            "2026-03-01T12:00:00.250999Z",
            "2026-03-01T12:00:00.251Z",
            "\u0662026-02-01T00:00:00Z",
            NOW_MS,
            NOW_MS + 1,
            20_260_101_120_000,
            1_500_000_000_000.0,
            True,
        ]
    ),
)
VALUES = st.one_of(
    st.sampled_from([None, 0, -0.0, 5, 5.0, 5.000001, 10**12, 10**12 + 1, 0.001, 1e-5, True, "3"]),
    st.floats(),
    st.integers(-5, 10**13),
)
EVENTS = st.fixed_dictionaries(
    {
        "event_id": IDS,
        "user_id": st.just("ana"),
        "item_id": st.just("b"),
        "event": st.sampled_from([*map(str, EVENT_KINDS), "view", "View", " view", "like", 3]),
    },
    optional={
        "ts": TIMES,
        "value": VALUES,
        "referrer_user_id": IDS,
        "list_id": IDS,
        "text": st.sampled_from([None, "nice"]),
    },
)


NAMED = {"event_id": "e", "user_id": "ana", "item_id": "b"}


@settings(max_examples=300, deadline=None)
@given(EVENTS)
@example({**NAMED, "event": "rating", "value": 5.000001})
@example({**NAMED, "event": "review", "value": 5.000001})
@example({**NAMED, "event": "rating"})
@example({**NAMED, "event": "purchase", "value": 10**12 + 1})
@example({**NAMED, "event": "purchase", "value": -0.001})
def test_an_event_that_is_plain_is_what_the_check_makes_of_it(sent):
    found = plain_event(sent, OLDEST_MS, NOW_MS)
    if found is not None:
        [checked], refused, _ = INTAKE._judge([sent], NOW)
        assert (found, refused) == (checked, [])


@settings(max_examples=30, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=6))
def test_a_batch_of_plain_and_other_events_is_sorted_as_the_check_would(batch):
    events, refused, cut = INTAKE._judge(batch, NOW)
    taken = INTAKE.sort(batch, NOW)
    assert taken.kept == tuple(event for event in events if event)
    # Written out: what is no number does not equal itself.
    assert repr(taken.refused) == repr(tuple(refused))
    assert taken.shortened == tuple(cut)


@pytest.mark.parametrize("left_out", [None, "ts", "value", "referrer_user_id", "list_id"])
@pytest.mark.parametrize("kind", [EventKind.VIEW, EventKind.PURCHASE, EventKind.REVIEW])
def test_what_apps_send_is_plain(left_out, kind):
    sent = {name: v for name, v in ORDINARY.items() if name != left_out} | {"event": str(kind)}
    assert plain_event(sent, OLDEST_MS, NOW_MS) is not None


@pytest.mark.parametrize("odd", [{"text": "nice"}, {"split": "train"}, {"event": "rating"}, {}])
def test_what_has_to_be_cleaned_or_refused_is_not(odd):
    sent = {**ORDINARY, "value": None, **odd} if odd else [ORDINARY]
    assert plain_event(sent, OLDEST_MS, NOW_MS) is None
