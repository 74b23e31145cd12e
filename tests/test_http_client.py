"""The one HTTP client: what is refused, what may be asked again, and what nobody gets to see."""

import contextlib
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from coterie.errors import BadInputError, UnavailableError
from coterie.http_client import HttpClient
from coterie.retries import until_available

TOKEN = "a-secret-of-the-people-on-call"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.heard.append((self.path, self.headers.get("Authorization")))
        time.sleep(self.server.late_s)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # who asked may have gone
            self.wfile.write(self.server.body)

    def do_POST(self):
        self.server.sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def server(status=200, body=b"{}", late_s=0.0, **headers):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as one:
        one.status, one.body, one.late_s, one.headers, one.heard = status, body, late_s, headers, []
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield one, f"http://127.0.0.1:{one.server_port}"
        finally:
            one.shutdown()
            thread.join()


def test_what_is_asked_and_sent_arrives():
    with server(body=b'{"a": 1}') as (one, url):
        client = HttpClient(f"{url}/", 5, TOKEN)
        assert client.get("/x", query="a b&c", none=None).checked().json() == {"a": 1}
        assert client.post("/y", {"b": 2}).status == 200
    assert one.heard == [("/x?query=a+b%26c", f"Bearer {TOKEN}"), ("/y", f"Bearer {TOKEN}")]
    assert one.sent.replace(b" ", b"") == b'{"b":2}'


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, BadInputError),
        (422, BadInputError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_refusals_and_faults_are_told_apart_with_the_reason(status, kind):
    with server(status, b'{"detail": "so\\u001b[2J it is"}') as (_, url):
        answer = HttpClient(url, 5).get("/x")
        with pytest.raises(kind, match=rf"/x answered {status}: so .+2J it is"):
            answer.checked()


def test_nobody_is_sent_on_to_elsewhere():
    with server() as (other, there), server(307, Location=f"{there}/x") as (_, url):
        with pytest.raises(BadInputError, match=r"sends on to elsewhere \(307\)"):
            HttpClient(url, 5, TOKEN).get("/x").checked()
        assert other.heard == []


def test_who_is_slow_or_endless_or_away_is_unavailable():
    with server(late_s=1.0) as (_, url), pytest.raises(UnavailableError, match="did not answer"):
        HttpClient(url, 0.1).get()
    with server(body=b"x" * 2000) as (_, url):
        assert len(HttpClient(url, 5, max_bytes=2000).get().content) == 2000
        with pytest.raises(UnavailableError, match="more than 1999 bytes"):
            HttpClient(url, 5, max_bytes=1999).get()
    with pytest.raises(UnavailableError, match="did not answer"):
        HttpClient(url, 5).get()
    with server(body=b"<html>") as (_, url), pytest.raises(UnavailableError, match="without JSON"):
        HttpClient(url, 5).get().json()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1:8000", "http://a:port"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(BadInputError, match="is no address"):
        HttpClient(url, 5).get()


def test_the_token_is_written_nowhere(caplog):
    caplog.set_level(logging.DEBUG)
    with server(500, b"oops") as (_, url):
        client = HttpClient(url, 5, TOKEN)
        with pytest.raises(UnavailableError) as raised:
            client.get("/x").checked()
    assert TOKEN not in caplog.text + str(raised.value) + repr(client)
    assert not [one for one in caplog.records if one.name == "httpx"], "not a line a request"


@pytest.mark.parametrize(("error", "asked"), [(UnavailableError, 3), (BadInputError, 1)])
def test_only_what_may_be_there_later_is_asked_for_again(error, asked):
    said, attempts = [], []

    def ask():
        attempts.append(1)
        if len(attempts) < 3:
            raise error("not now")
        return "there"

    with contextlib.suppress(BadInputError):
        assert until_available(ask, 5.0, 0.01, said.append) == "there"
    assert len(attempts) == asked
    assert said == ["not now"] * (asked - 1)


def test_patience_ends_with_the_last_error():
    def ask():
        raise UnavailableError("still not")

    with pytest.raises(UnavailableError, match="still not"):
        until_available(ask, 0.05, 0.01, lambda _: None)


def test_an_answer_that_drips_is_given_up_as_a_whole():
    listening = socket.create_server(("127.0.0.1", 0))

    def drip():
        with listening, contextlib.suppress(OSError), listening.accept()[0] as one:
            one.recv(4096)
            one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while True:
                one.sendall(b"x")
                time.sleep(0.02)

    thread = threading.Thread(target=drip)
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(UnavailableError, match=r"within 0\.3 s"):
        HttpClient(url, 60.0, whole_s=0.3).get()
    thread.join(60)
    assert not thread.is_alive()
