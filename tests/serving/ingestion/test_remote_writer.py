"""How requests share calls to a sink, and each gets its own receipt or its own trouble."""

import asyncio

import pytest

from coterie.data.changes import referral
from coterie.errors import UnavailableError
from coterie.schema import EventKind
from serving.events.event import Event
from serving.ingestion.remote_writer import CALLS, WRITE_MOST, RemoteWriter
from serving.ingestion.sink import Receipt


def events(name, count=1, user_id="ana"):
    return [Event(f"{name}-{n}", user_id, "i", EventKind.VIEW, n) for n in range(count)]


class Handle:
    """A handle of Ray Serve's; each call is answered when it is told to."""

    def __init__(self):
        self.write = self
        self.calls, self.open = [], asyncio.Event()
        self.answer = lambda batches: [Receipt(len(batch), 0, True) for batch in batches]

    async def remote(self, batches):
        self.calls.append([batch[0].event_id for batch in batches])
        await self.open.wait()
        return self.answer(batches)


def run(story):
    async def begin():
        handle = Handle()
        return await story(handle, RemoteWriter([handle]))

    return asyncio.run(begin())


async def soon():
    for _ in range(10):
        await asyncio.sleep(0)


def test_requests_that_wait_share_a_call_and_get_a_receipt_each():
    async def story(handle, writer):
        writes = []
        for n in range(5):
            writes.append(asyncio.create_task(writer.write(events(f"r{n}", n + 1))))
            await soon()
        begun = [*handle.calls]
        handle.open.set()
        return begun, handle.calls, await asyncio.gather(*writes)

    begun, calls, receipts = run(story)
    assert len(begun) == CALLS
    assert [name for call in calls for name in call] == [f"r{n}-0" for n in range(5)]
    assert len(calls) == CALLS + 1
    assert [receipt.accepted for receipt in receipts] == [1, 2, 3, 4, 5]


def test_one_call_takes_no_more_than_one_transaction():
    async def story(handle, writer):
        writes = []
        for size in [1] * CALLS + [WRITE_MOST // 2] * 3:
            name = f"r{len(writes)}"
            writes.append(asyncio.create_task(writer.write(events(name, size))))
            await soon()
        handle.open.set()
        await asyncio.gather(*writes)
        return handle.calls[CALLS:]

    assert run(story) == [["r2-0", "r3-0"], ["r4-0"]]


def test_who_was_not_kept_is_told_and_others_are_not():
    async def story(handle, writer):
        handle.open.set()
        handle.answer = lambda batches: [
            "the disk is full" if batch[0].event_id == "bad-0" else Receipt(1, 0, True)
            for batch in batches
        ]
        writes = [writer.write(events(name)) for name in ("good", "bad")]
        return await asyncio.gather(*writes, return_exceptions=True)

    good, bad = run(story)
    assert good == Receipt(1, 0, True)
    assert isinstance(bad, UnavailableError)
    assert "the disk is full" in str(bad)


def test_a_sink_that_dies_takes_no_request_for_ever():
    async def story(handle, writer):
        def died(batches):
            raise RuntimeError("the actor died")

        handle.answer = died
        handle.open.set()
        with pytest.raises(UnavailableError, match="the actor died"):
            await writer.write(events("lost"))
        handle.answer = lambda batches: [Receipt(1, 0, True)] * len(batches)
        return await writer.write(events("again"))

    assert run(story).accepted == 1


def test_a_caller_who_leaves_takes_no_other_along():
    async def story(handle, writer):
        leaving, staying = (asyncio.create_task(writer.write(events(n))) for n in ("a", "b"))
        await soon()
        leaving.cancel()
        await soon()
        handle.open.set()
        return await staying

    assert run(story).accepted == 1


def several(story, count=3):
    async def begin():
        handles = [Handle() for _ in range(count)]
        for handle in handles:
            handle.open.set()
        return await story(handles, RemoteWriter(handles))

    return asyncio.run(begin())


def test_a_shoppers_events_go_to_one_sink_in_order_and_receipts_add_up():
    users = [f"u{n}" for n in range(40)]

    async def story(handles, writer):
        took = [[] for _ in handles]
        for place, handle in enumerate(handles):
            handle.answer = lambda batches, place=place: [
                took[place].extend(batch) or Receipt(len(batch), 0, place != 1) for batch in batches
            ]
        batch = [one for n in range(3) for user in users for one in events(f"{user}-{n}", 1, user)]
        return await writer.write(batch), await writer.write(events("b", 2, users[0])), took

    both, one, took = several(story)
    assert both == Receipt(120, 0, False)
    assert one.accepted == 2
    for user in users:
        [names] = [n for sink in took if (n := [e.event_id for e in sink if e.user_id == user])]
        assert names[:3] == [f"{user}-{n}-0" for n in range(3)]
    assert all(took)


def test_changes_of_the_shop_go_to_the_first_sink():
    change = referral("c", "ana", "bea", 1, 1.0)

    async def story(handles, writer):
        for handle in handles[1:]:
            handle.answer = None
        handles[0].calls = None
        handles[0].write = handles[0]

        async def remote(batches):
            return [Receipt(len(batch), 0, True) for batch in batches]

        handles[0].remote = remote
        return await writer.write([change, change])

    assert several(story).accepted == 2


def test_where_one_of_several_sinks_is_away_it_is_said():
    async def story(handles, writer):
        handles[1].answer = lambda batches: ["away"] * len(batches)
        batch = [one for n in range(40) for one in events(f"e{n}", 1, f"u{n}")]
        with pytest.raises(UnavailableError, match="away"):
            await writer.write(batch)

    several(story)


# Ray's own use of pydantic.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_sink_answers_each_batch_by_itself_whoever_leaves():
    from serving.deployments import EventSink

    kept = []

    class Slow:
        def write(self, batches):
            kept.extend(batch[0].event_id for batch in batches)
            if any(batch[0].event_id.startswith("bad") for batch in batches):
                raise UnavailableError("the disk is full")
            return [Receipt(len(batch), 0, True) for batch in batches]

    async def story():
        from concurrent.futures import ThreadPoolExecutor

        from serving.ingestion.remote_writer import WaitingWrites

        sink = object.__new__(EventSink)
        sink._sink, sink._thread = Slow(), ThreadPoolExecutor(1)
        sink._waiting, sink._working, sink._writes = WaitingWrites(), asyncio.Lock(), None
        leaving = asyncio.create_task(sink.write([events("a")]))
        await asyncio.sleep(0)
        others = [asyncio.create_task(sink.write([events("b"), events("c", 2)]))]
        await asyncio.sleep(0)
        leaving.cancel()
        [answers] = await asyncio.gather(*others)
        bad = await sink.write([events("bad")])
        return answers, bad

    answers, bad = asyncio.run(story())
    assert answers == [Receipt(1, 0, True), Receipt(2, 0, True)]
    assert bad == ["the disk is full"]
    assert kept == ["a-0", "b-0", "c-0", "bad-0"]
