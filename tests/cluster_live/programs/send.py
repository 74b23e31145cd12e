"""``send.py JSON``: ask for lists without pause, and say at the end how many came.

It waits first until somebody answers: a policy engine needs some seconds to know a new pod. It ends
after ``seconds``, or as soon as there is a file ``/tmp/stop``.
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

STOP = Path("/tmp/stop")
TIMEOUT_S = 5.0


class Counts:
    """What was answered, and what was not."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.lock = threading.Lock()
        self.answered = 0
        self.failed: Counter[str] = Counter()
        self.failures: list[tuple[float, str]] = []
        self.took: list[float] = []

    def add(self, at_s: float, took_s: float, failure: str) -> None:
        """Count one request; ``failure`` is empty where it was answered."""
        with self.lock:
            if failure:
                self.failed[failure] += 1
                self.failures.append((round(at_s, 2), failure))
            else:
                self.answered += 1
                self.took.append(took_s)

    def as_json(self, waited_s: float, seconds: float) -> dict[str, Any]:
        """Return the figures."""
        took = sorted(self.took) or [0.0]
        return {
            "answered": self.answered,
            "failed": dict(self.failed),
            "first_failures": self.failures[:20],
            "waited_s": round(waited_s, 1),
            "seconds": round(seconds, 1),
            "p50_ms": round(took[len(took) // 2] * 1000, 1),
            "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 1),
            "max_ms": round(took[-1] * 1000, 1),
        }


def send(url: str, key: str = "") -> str:
    """Ask once, and return what was wrong; empty where nothing was."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S
        ) as answer:
            return "" if json.load(answer).get("items") else "empty list"
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except urllib.error.URLError as error:
        return type(error.reason).__name__ if isinstance(error.reason, OSError) else "URLError"
    except (OSError, ValueError) as error:
        return type(error).__name__


def wait_for_answers(url: str, key: str, seconds: float, in_a_row: int = 5) -> float:
    """Wait until answers come one after another; seconds that it took.

    Raises:
        SystemExit: They did not come in time.
    """
    began, good, why = time.monotonic(), 0, ""
    while good < in_a_row:
        why = send(url, key)
        good = 0 if why else good + 1
        if why and time.monotonic() - began > seconds:
            sys.exit(f"{url} does not answer within {seconds:g} s: {why}")
        time.sleep(0.2)
    return time.monotonic() - began


def main(given: dict[str, Any]) -> None:
    """Send, and print the figures as the last line."""
    urls = [given["url"].replace("USER", user) for user in given["users"]]
    key = given.get("key", "")
    waited = wait_for_answers(urls[0], key, given["patience_s"])
    print("began", flush=True)
    began, counts = time.monotonic(), Counts()

    def one(number: int) -> None:
        sent = number
        while not STOP.exists() and time.monotonic() - began < given["seconds"]:
            at = time.monotonic()
            failure = send(urls[sent % len(urls)], key)
            counts.add(at - began, time.monotonic() - at, failure)
            if failure:
                print(f"failed at {at - began:.2f} s: {failure}", flush=True)
            sent += 1
            time.sleep(given["pause_s"])

    threads = [threading.Thread(target=one, args=(n,)) for n in range(given["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(counts.as_json(waited, time.monotonic() - began)), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
