"""From an event to the next list that knows it, while 2,000 events and 100 lists a second come.

Several callers send batches of events of all shoppers, at a steady rate; others ask for lists.
Meanwhile one shopper after another buys the first item of their list, alone in a batch, and asks
for the list until the item is gone. Each is timed from the moment at which it was due or sent.
"""

import json
import threading
import time
from typing import Any, Final

import numpy as np

from benchmarks.serving_load import Connection, in_turn, open_loop

EVENTS_A_SECOND: Final = 2_000
BATCH: Final = 20
LISTS_A_SECOND: Final = 100
PATIENCE_S: Final = 20.0
_KINDS: Final = ("view", "view", "view", "click", "cart", "purchase")


def measure_live(port: int, seconds: float, items: int, shoppers: list[str]) -> dict[str, Any]:
    """Measure lists and events together, for so many seconds."""
    draw, rng = in_turn(shoppers, 1), np.random.default_rng(1)
    numbers, lock = iter(range(10**9)), threading.Lock()

    def batch(connection: Connection) -> None:
        with lock:
            first = next(numbers) * BATCH
            rows, kinds = rng.integers(0, items, BATCH), rng.integers(0, len(_KINDS), BATCH)
        events = [
            {
                "event_id": f"e-{first + n}",
                "user_id": draw(),
                "item_id": f"item-{row:06d}",
                "event": _KINDS[kind],
            }
            for n, (row, kind) in enumerate(zip(rows, kinds, strict=True))
        ]
        connection.post("/v1/events", json.dumps({"events": events}).encode())

    def lists(connection: Connection) -> None:
        connection.get(f"/v1/users/{draw()}/recommendations?k=20&explain=false")

    found: dict[str, Any] = {}
    failed: list[Exception] = []

    def run(name: str, ask: Any, rate: float, seed: int) -> None:
        try:
            found[name] = open_loop(ask, port, rate, seconds, seed).told()
        except Exception as error:  # said by whoever waits for it
            failed.append(error)

    threads = [
        threading.Thread(target=run, args=("receipts", batch, EVENTS_A_SECOND / BATCH, 2)),
        threading.Thread(target=run, args=("lists", lists, LISTS_A_SECOND, 3)),
    ]
    for thread in threads:
        thread.start()
    with Connection(port) as connection:
        known, missed = _probe(connection, shoppers, seconds)
    for thread in threads:
        thread.join()
    if failed:
        return {"failed": str(failed[0])}
    p50, p99 = np.quantile(known, [0.5, 0.99]) * 1000
    found["receipts"]["events_a_second"] = round(found["receipts"]["a_second"] * BATCH)
    found["event_to_list"] = {
        "probes": len(known),
        "lists_that_did_not_know": missed,
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
    }
    return found


def _probe(connection: Connection, shoppers: list[str], seconds: float) -> tuple[list[float], int]:
    """Buy what stands first in a list, and ask until it does not; seconds, and asked in vain."""
    until, known, missed = time.perf_counter() + seconds, [], 0
    for number, shopper in enumerate(shoppers):
        if time.perf_counter() > until:
            break
        path = f"/v1/users/{shopper}/recommendations?k=20&explain=false"
        first = json.loads(connection.get(path))["items"][0]["item"]["item_id"]
        event = {"event_id": f"probe-{number}", "user_id": shopper, "item_id": first}
        body = json.dumps({"events": [event | {"event": "purchase"}]}).encode()
        began = time.perf_counter()
        connection.post("/v1/events", body)
        while f'"{first}"'.encode() in connection.get(path):
            missed += 1
            if time.perf_counter() - began > PATIENCE_S:
                raise SystemExit(f"a list does not know an event after {PATIENCE_S:g} s")
        known.append(time.perf_counter() - began)
        time.sleep(0.02)
    return known, missed
