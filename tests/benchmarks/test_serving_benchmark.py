"""What measures the service: honest times, whole processes, and pictures that can be read."""

import os
import socket
import threading
import time
from xml.etree import ElementTree

import pytest
from waiting import wait_until

from benchmarks import list_requests, serving_table
from benchmarks.serving_flame import REST, draw, stages
from benchmarks.serving_load import Answers, Connection, Processes, closed_loop, open_loop

SAMPLES = """\
run (server.py:1);__call__ (serving/api/middleware.py:3);recommend (serving/api/routes.py:9) 20
run (server.py:1);__call__ (serving/api/middleware.py:3);answer (serving/rollouts/router.py:5);\
ListMaker.gather (serving/lists/list_maker.py:7);decode (serving/features/row_memo.py:2) 30
run (server.py:1);__call__ (serving/api/middleware.py:3);answer (serving/rollouts/router.py:5);\
ListMaker.make (serving/lists/list_maker.py:9) 40
run (server.py:1);parse <locals>.x (http.py:2) 10
run (server.py:1);select (selectors.py:9) 900
"""


@pytest.fixture
def raw(tmp_path):
    file = tmp_path / "raw.txt"
    file.write_text(SAMPLES)
    return file


def test_stages_add_up_without_idle_time(raw):
    told = stages(raw)
    assert told["features"] == pytest.approx(0.3)
    assert told["list made"] == pytest.approx(0.4)
    assert told["body"] == pytest.approx(0.2)
    assert told[REST] == pytest.approx(0.1)
    assert sum(told.values()) == pytest.approx(1)


def test_a_picture_is_as_wide_as_its_calls(raw, tmp_path):
    draw(raw, tmp_path / "one.svg")
    boxes = ElementTree.parse(tmp_path / "one.svg").getroot().findall("{*}g")
    told = {box.find("{*}title").text: float(box.find("{*}rect").get("width")) for box in boxes}
    assert told["run (server.py): 100.0%"] == 1000
    assert told["decode (serving/features/row_memo.py): 30.0%"] == 300
    assert "parse <locals>.x (http.py): 10.0%" in told


@pytest.fixture
def slow_first():
    """A server that answers, the first time after 0.3 s."""
    slow = iter([0.3])

    def answer(caller):
        with caller:
            while caller.recv(1 << 16):
                time.sleep(next(slow, 0))
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def serve():
        while True:
            try:
                caller, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(caller,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def ask(connection):
    assert connection.get("/") == b"ok"


def test_who_waits_for_others_has_waited(slow_first):
    """One slow answer on the only connection delays those that were due meanwhile."""
    found = open_loop(ask, slow_first, rate=100, s=0.5, seed=0, most=1)
    assert len(found.seconds) == found.asked == 50
    assert sum(one > 0.05 for one in found.seconds) >= 15
    assert max(found.seconds) >= 0.3


def test_a_closed_loop_asks_again_at_once(slow_first):
    found = wait_until(
        lambda: (one := closed_loop(ask, slow_first, 3, 0.4)).told()["answers"] > 3 and one
    )
    both = found + Answers([1.0], 1.0)
    assert both.whole_s == pytest.approx(found.whole_s + 1)


def test_a_refusal_is_no_answer():
    def refuse():
        caller, _ = server.accept()
        with caller:
            caller.recv(1 << 16)
            caller.sendall(b"HTTP/1.1 503 No\r\ncontent-length: 3\r\n\r\nbad")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=refuse, daemon=True).start()
        with (
            Connection(server.getsockname()[1]) as connection,
            pytest.raises(RuntimeError, match="503 no: bad"),
        ):
            connection.get("/")


def test_processes_are_all_that_came_of_one():
    own = Processes(os.getpid())
    assert sum(own.cpu_s().values()) > 0
    assert 5 < sum(own.pss_mb().values()) < 100_000


def test_sizes_grow_with_shoppers():
    row = {"cpu_ms_a_list": {"replicas": 4.0, "haproxy": 1.0, "load generator": 99.0}}
    lines = serving_table.write_sizes({"now": {"sqlite": {"explained": row}}}).splitlines()[2:]
    pods = [int(line.split("|")[4]) for line in lines]
    # 1,389 lists/s of 5 ms keep 6.9 CPUs busy, with a third to spare 10.4.
    assert pods == [2, 2, 2, 6]


class Work:
    def outer(self):
        spend(0.02)
        self.inner()

    def inner(self):
        spend(0.01)


def spend(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_stages_of_a_request_are_counted_without_those_within(monkeypatch):
    stages = (("inner", f"{__name__}:Work.inner"), ("outer", f"{__name__}:Work.outer"))
    monkeypatch.setattr(list_requests, "STAGES", stages)
    clock = list_requests.RequestClock()
    with clock.watching():
        Work().outer()
    assert clock.seconds["inner"] == pytest.approx(0.01, rel=0.3)
    assert clock.seconds["outer"] == pytest.approx(0.02, rel=0.3)
    Work().outer()
    assert sum(clock.seconds.values()) < 0.04
