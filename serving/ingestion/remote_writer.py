"""From a replica that takes requests to the sinks, which keep events."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from coterie.errors import UnavailableError
from serving.events.event import Entry, Event
from serving.events.log import LogBatch
from serving.ingestion.eraser import Erased
from serving.ingestion.sink import Receipt

WRITE_TIMEOUT_S: Final = 10.0
ERASE_TIMEOUT_S: Final = 60.0
"""All rows of a large store are looked at for the name of one person."""
CALLS: Final = 2
"""To a sink at a time: one that it works on, and the next, which is there when it is done."""
WRITE_MOST: Final = 2000
"""Events of one transaction, unless one request has more: Redis serves nobody else meanwhile."""


@dataclass(slots=True)
class WaitingWrites:
    """Batches that wait for their turn, each with who waits for its receipt."""

    batches: list[tuple[Sequence[Entry], "asyncio.Future[Receipt]"]] = field(default_factory=list)

    def add(self, entries: Sequence[Entry]) -> "asyncio.Future[Receipt]":
        """Queue a batch; return what will hold its receipt."""
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.batches.append((entries, receipt))
        return receipt

    def take(self) -> list[tuple[Sequence[Entry], "asyncio.Future[Receipt]"]]:
        """Take those that go together, the first to come first."""
        together = count = 0
        for entries, _ in self.batches:
            together += len(entries)
            if count and together > WRITE_MOST:
                break
            count += 1
        taken, self.batches = self.batches[:count], self.batches[count:]
        return taken


class SinkCaller:
    """Hands batches to one sink; those that wait meanwhile share the next call.

    A call through Ray costs as much as twenty events, so a busy replica should not make one for
    each request.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._waiting = WaitingWrites()
        self._calls: set[asyncio.Task[None]] = set()

    def write(self, entries: Sequence[Entry]) -> "asyncio.Future[Receipt]":
        """Send a batch; the receipt comes, or an UnavailableError."""
        receipt = self._waiting.add(entries)
        if len(self._calls) < CALLS:
            call = asyncio.get_running_loop().create_task(self._call())
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return receipt

    async def ask(self, method: str, *given: Any) -> Any:
        """Call one of a sink's other methods.

        Raises:
            UnavailableError: It failed, or took too long: ask again.
        """
        try:
            call = getattr(self._handle, method).remote(*given)
            return await asyncio.wait_for(call, ERASE_TIMEOUT_S)
        except Exception as error:  # the replica died, is full, or takes too long
            said = getattr(error, "cause", None) or error
            raise UnavailableError(
                f"the event sink did not {method} a person: {str(said) or type(said).__name__}"
            ) from error

    async def _call(self) -> None:
        while taken := self._waiting.take():
            batches = [entries for entries, _ in taken]
            try:
                answers = await asyncio.wait_for(
                    self._handle.write.remote(batches), WRITE_TIMEOUT_S
                )
            except Exception as error:  # the replica died, is full, or takes too long
                answers = [str(error) or type(error).__name__] * len(taken)
            for (_, receipt), answer in zip(taken, answers, strict=True):
                if receipt.done():  # nobody waits any more
                    continue
                if isinstance(answer, Receipt):
                    receipt.set_result(answer)
                    continue
                receipt.set_exception(
                    UnavailableError(f"the event sink did not take events: {answer}")
                )


class RemoteWriter:
    """Hands events to the sinks, each shopper's always to the same one.

    So events of a shopper are kept in the order in which they are sent, and a sink has in memory
    what it needs. Changes of the shop go to the first one, which tells which came later.
    """

    def __init__(self, handles: Sequence[Any]) -> None:
        self._sinks = [SinkCaller(handle) for handle in handles]

    async def write(self, entries: Sequence[Entry]) -> Receipt:
        """See EventWriter; where one of several sinks does not take its part, others may have."""
        parts: dict[int, list[Entry]] = {}
        for entry in entries:
            parts.setdefault(self._place(entry), []).append(entry)
        found = await asyncio.gather(
            *(self._sinks[place].write(part) for place, part in parts.items()),
            return_exceptions=True,
        )
        receipts = []
        for one in found:
            if isinstance(one, BaseException):
                raise one
            receipts.append(one)
        if len(receipts) == 1:
            return receipts[0]
        return Receipt(
            sum(one.accepted for one in receipts),
            sum(one.duplicate for one in receipts),
            all(one.applied for one in receipts),
        )

    async def erase(self, user_id: str) -> Erased:
        """See EventWriter: the first sink does it, and all let go of what they remember."""
        erased: Erased = await self._ask("erase", user_id)
        for sink in self._sinks:
            await sink.ask("forget", user_id)
        return erased

    async def lift(self, user_id: str) -> bool:
        """See EventWriter."""
        return bool(await self._ask("lift", user_id))

    async def about(self, user_id: str, after: str, most: int) -> LogBatch:
        """See EventWriter."""
        found: LogBatch = await self._ask("about", user_id, after, most)
        return found

    async def _ask(self, method: str, *given: Any) -> Any:
        return await self._sinks[0].ask(method, *given)

    def _place(self, entry: Entry) -> int:
        if len(self._sinks) == 1 or not isinstance(entry, Event):
            return 0
        # Not hash(), which is another one in each process.
        return crc32(entry.user_id.encode()) % len(self._sinks)
