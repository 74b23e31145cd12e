"""How long it takes from a change to the next list that knows of it, on an app that serves lists.

    python -m benchmarks.live_changes --url http://127.0.0.1:8000 --shopper shopper-0042

The app has to run with its storefront, of a shop that is thrown away after: items are taken out of
stock, a shopper is tied to others, buys, and new items come. Meanwhile lists of the shopper are
asked for at a steady rate by as many connections as it takes. Of each kind of change the figures
are how long its answer took, how long until a list that knows of it was there, both in ms, and how
many of the lists that were asked for right after the answer did not know: that has to be none. A
new item is in lists once it has vectors, so there the list is asked for until it is. Prints JSON.
"""

import argparse
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import httpx
import numpy as np

K: Final = 20
PATIENCE_S: Final = 30.0
Knows = Callable[[], bool]
Write = Callable[[], httpx.Response]


class Load:
    """Asks for lists at a steady rate, in threads, until it is told to stop."""

    def __init__(self, url: str, shopper: str, rate: float, threads: int = 16) -> None:
        self._path = f"{url}/v1/users/{shopper}/recommendations"
        self._gap_s, self._stop = threads / rate, threading.Event()
        self.seconds: list[float] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads if rate else 0)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
            time.sleep(self._gap_s / len(self._threads))
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(timeout=PATIENCE_S) as http:
            due = time.perf_counter()
            while not self._stop.wait(max(0.0, due - time.perf_counter())):
                began = time.perf_counter()
                http.get(self._path, params={"k": K}).raise_for_status()
                self.seconds.append(time.perf_counter() - began)
                due += self._gap_s


class Shop:
    """What is changed, and how lists tell that they know."""

    def __init__(self, http: httpx.Client, shopper: str) -> None:
        self._http, self._shopper = http, shopper

    def changes(self) -> dict[str, Callable[[], tuple[Write, Knows]]]:
        """Make each kind of change: what to send, and how the next answer shows it."""
        return {"item": self._item, "event": self._event, "tie": self._tie, "new item": self._new}

    def _list(self) -> list[str]:
        answer = self._http.get(f"/v1/users/{self._shopper}/recommendations", params={"k": K})
        answer.raise_for_status()
        return [one["item"]["item_id"] for one in answer.json()["items"]]

    def _item(self) -> tuple[Write, Knows]:
        first = self._list()[0]
        body = {"available": False}
        return lambda: self._http.patch(f"/v1/items/{first}", json=body), self._lacks(first)

    def _event(self) -> tuple[Write, Knows]:
        first = self._list()[0]
        event = {"event_id": uuid.uuid4().hex, "user_id": self._shopper, "item_id": first}
        body = {"events": [event | {"event": "purchase"}]}
        return lambda: self._http.post("/v1/events", json=body), self._lacks(first)

    def _tie(self) -> tuple[Write, Knows]:
        # Somebody new each time: lists draw on so many friends, and no more.
        path, other = f"/v1/users/{uuid.uuid4().hex}", self._shopper

        def friends() -> int:
            return int(self._http.get(path).raise_for_status().json()["num_friends"])

        before = friends()
        body = {"kind": "follow"}
        return lambda: self._http.put(f"{path}/ties/{other}", json=body), lambda: friends() > before

    def _new(self) -> tuple[Write, Knows]:
        item = f"new-{uuid.uuid4().hex}"
        body = {"title": item, "category": "Home"}
        similar = f"/v1/items/{item}/similar"
        return lambda: self._http.put(
            f"/v1/items/{item}", json=body
        ), lambda: self._http.get(similar).status_code == 200

    def _lacks(self, item: str) -> Knows:
        return lambda: item not in self._list()


def measure(make: Callable[[], tuple[Write, Knows]], rounds: int) -> dict[str, Any]:
    """Change something again and again, and ask at once whether it is known."""
    answered, known, missed = [], [], 0
    for _ in range(rounds):
        write, knows = make()
        began = time.perf_counter()
        write().raise_for_status()
        answered.append(time.perf_counter() - began)
        while not knows():
            missed += 1
            if time.perf_counter() - began > PATIENCE_S:
                raise SystemExit(f"it is not known after {PATIENCE_S:g} s")
        known.append(time.perf_counter() - began)
    return {
        "rounds": rounds,
        "answers_that_did_not_know": missed,
        "answered_ms": _quantiles(answered),
        "known_ms": _quantiles(known),
    }


def _quantiles(seconds: list[float]) -> dict[str, float]:
    p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1000
    return {"p50": round(float(p50), 1), "p99": round(float(p99), 1)}


def main() -> None:
    """Measure every kind of change under load."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_changes", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--shopper", required=True)
    parser.add_argument("--rate", type=float, default=100.0, help="lists a second meanwhile")
    parser.add_argument("--rounds", type=int, default=200, help="of each kind of change")
    given = parser.parse_args()
    with httpx.Client(base_url=given.url, timeout=PATIENCE_S) as http:
        shop = Shop(http, given.shopper)
        with Load(given.url, given.shopper, given.rate) as load:
            began = time.perf_counter()
            found = {name: measure(make, given.rounds) for name, make in shop.changes().items()}
            rate = len(load.seconds) / (time.perf_counter() - began)
    machine = {"cpus": os.cpu_count(), "python": platform.python_version()}
    lists = {"a_second": round(rate, 1), "ms": _quantiles(load.seconds or [0.0])}
    print(json.dumps({"machine": machine, "lists": lists, "changes": found}, indent=2))


if __name__ == "__main__":
    main()
