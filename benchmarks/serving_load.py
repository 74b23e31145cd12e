"""Requests at a rate, or as many as are answered; and what the processes of an app take for it."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 60.0
_TICK: Final = os.sysconf("SC_CLK_TCK")


class Connection:
    """One HTTP connection, kept open; as little of a client as does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection((HOST, self._port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def get(self, path: str) -> bytes:
        """Ask for a path, and give the body."""
        return self._ask(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())

    def post(self, path: str, body: bytes) -> bytes:
        """Send JSON to a path, and give the answer's body."""
        head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        return self._ask(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def _ask(self, request: bytes) -> bytes:
        try:
            self._socket.sendall(request)
            self._more()
        except ConnectionError:  # a proxy closes what was idle
            self._socket.close()
            self._open()
            self._socket.sendall(request)
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        status, *lines = head.lower().split(b"\r\n")
        [length] = [int(one[15:]) for one in lines if one.startswith(b"content-length:")]
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        if status.split(b" ")[1][:1] != b"2":
            raise RuntimeError(f"{status.decode()}: {body[:300].decode()}")
        return body

    def _more(self) -> None:
        more = self._socket.recv(1 << 16)
        if not more:
            raise ConnectionError("the connection was closed")
        self._rest += more


@dataclass
class Answers:
    """How long each answer took, in seconds, and over how long they came."""

    seconds: list[float] = field(default_factory=list)
    whole_s: float = 0.0
    asked: int = 0
    """How many were to be asked for at a rate; 0 where as many were as are answered."""

    def __add__(self, other: "Answers") -> "Answers":
        return Answers(self.seconds + other.seconds, self.whole_s + other.whole_s)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.whole_s

    def told(self) -> dict[str, Any]:
        """Say it in figures, times in ms."""
        p50, p99 = np.quantile(self.seconds, [0.5, 0.99]) * 1000
        return {
            "answers": len(self.seconds),
            **({"asked": self.asked} if self.asked else {}),
            "a_second": round(self.rate, 1),
            "p50_ms": round(float(p50), 1),
            "p99_ms": round(float(p99), 1),
        }


def closed_loop(ask: Callable[[Connection], Any], port: int, number: int, s: float) -> Answers:
    """Ask on some connections at once, on each again as soon as there is an answer."""
    until = time.perf_counter() + s
    return _together(lambda _: _until(ask, port, until), number)


def _until(ask: Callable[[Connection], Any], port: int, until: float) -> list[float]:
    took: list[float] = []
    with Connection(port) as connection:
        while (began := time.perf_counter()) < until:
            ask(connection)
            took.append(time.perf_counter() - began)
    return took


def open_loop(
    ask: Callable[[Connection], Any], port: int, rate: float, s: float, seed: int, most: int = 32
) -> Answers:
    """Ask at moments that no answer delays, as people do; how long one takes counts from then.

    It ends after twice the time, whatever was not asked by then.

    Args:
        ask: What to ask.
        port: Of the app.
        rate: Requests a second, on average; the gaps between them are exponential.
        s: How long.
        seed: Of the gaps.
        most: Connections.
    """
    rng = np.random.default_rng(seed)
    due = np.cumsum(rng.exponential(1 / rate, int(rate * s)))
    began = time.perf_counter() + 0.1
    moments, lock = iter((began + due).tolist()), threading.Lock()

    def worker(_: int) -> list[float]:
        took: list[float] = []
        with Connection(port) as connection:
            while True:
                with lock:
                    moment = next(moments, None)
                # Who is that late does not catch up.
                if moment is None or time.perf_counter() > began + 2 * s:
                    return took
                time.sleep(max(0.0, moment - time.perf_counter()))
                ask(connection)
                took.append(time.perf_counter() - moment)

    return replace(_together(worker, most), asked=len(due))


def _together(work: Callable[[int], list[float]], number: int) -> Answers:
    found: list[list[float]] = []
    failed: list[Exception] = []

    def run(place: int) -> None:
        try:
            found.append(work(place))
        except Exception as error:  # said by whoever waits for it
            failed.append(error)

    began = time.perf_counter()
    threads = [threading.Thread(target=run, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return Answers([one for part in found for one in part], time.perf_counter() - began)


GROUPS: Final = (
    ("replicas", ":Api"),
    ("event sink", "Sink"),
    ("controller", "RolloutController"),
    ("haproxy", "haproxy"),
    ("ray serve", "ray::"),
    ("ray", "ray"),
)
"""Of an app's processes, by what their command holds; the first that fits."""


class Processes:
    """An app's processes, in groups: the one that was started and all that came of it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def cpu_s(self) -> dict[str, float]:
        """Add up the processor time of each group until now."""
        return self._sums(_cpu_s)

    def pss_mb(self) -> dict[str, float]:
        """Add up the memory of each group, what is shared divided among those who share it."""
        return self._sums(_pss_mb)

    def pids(self, group: str) -> list[int]:
        """Find the processes of a group."""
        return [pid for pid in self._all() if _group(pid) == group]

    def _sums(self, of: Callable[[int], float]) -> dict[str, float]:
        found: dict[str, float] = {}
        for pid in self._all():
            group = _group(pid)
            try:
                found[group] = found.get(group, 0.0) + of(pid)
            except OSError:  # it has ended
                continue
        return found

    def _all(self) -> Iterator[int]:
        children: dict[int, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(folder.name))
        waiting = [self._pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            waiting += children.get(pid, [])


def _group(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "other"
    return next((name for name, part in GROUPS if part in command), "other")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def in_turn(names: Sequence[str], seed: int) -> Callable[[], str]:
    """Draw names at random, from several threads."""
    rng, lock = np.random.default_rng(seed), threading.Lock()

    def draw() -> str:
        with lock:
            return names[int(rng.integers(len(names)))]

    return draw
