import os
import time

import httpcore
import pytest

from coterie.content.addresses import PublicNetwork
from coterie.content.fetch import Fetcher, FetchSettings
from coterie.errors import BadInputError, UnavailableError

PUBLIC = "93.184.216.34"


def answer(body=b"picture", status=200, kind="image/png", **headers):
    told = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items() if value is not None)
    return [f"HTTP/1.1 {status} X\r\n{head}\r\n".encode(), body]


class Web(httpcore.NetworkBackend):
    """Answers of hosts, and what names stand for; a list of answers is used up one by one."""

    def __init__(self, answers, names=None, wait=0.0):
        self.answers, self.names, self.wait, self.asked = answers, names or {}, wait, []
        self.read = 0

    def resolve(self, host, port):
        found = self.names.get(host, PUBLIC)
        return [found.pop(0) if isinstance(found, list) else found]

    def connect_tcp(self, host, *_, **__):
        return Stream(self)


class Stream(httpcore.MockStream):
    def __init__(self, web):
        super().__init__([])
        self.web, self.said = web, b""

    def write(self, data, timeout=None):
        self.said += data
        if not data or b"\r\n\r\n" not in self.said:
            return
        lines = self.said.decode().split("\r\n")
        host = next(x.split(": ")[1] for x in lines if x.lower().startswith("host: "))
        url = f"https://{host}{lines[0].split(' ')[1]}"
        self.web.asked.append(url)
        self._answer = iter(self.web.answers[url])

    def start_tls(self, *_, **__):
        return self

    def read(self, max_bytes, timeout=None):
        self.web.read += 1
        if self.web.wait:
            if timeout < self.web.wait:
                raise httpcore.ReadTimeout("timed out")
            time.sleep(self.web.wait)
        return next(self._answer, b"")


def fetcher(answers, kind="image", **settings):
    network = PublicNetwork(answers.resolve, answers)
    return Fetcher(kind, FetchSettings(**settings), network)


URL = "https://shop.example/a.png"


def test_a_picture_of_the_public_network_is_read():
    assert fetcher(Web({URL: answer()})).fetch(URL) == b"picture"


def test_redirects_are_followed_a_few_times():
    web = Web(
        {
            URL: answer(b"", 302, Location="/b.png"),
            "https://shop.example/b.png": answer(b"", 301, Location="https://cdn.example/c.png"),
            "https://cdn.example/c.png": answer(b"moved"),
        }
    )
    assert fetcher(web).fetch(URL) == b"moved"
    with pytest.raises(BadInputError, match="leads on more than 1 times"):
        fetcher(web, max_redirects=1).fetch(URL)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("http://cdn.example/a.png", "https alone"),
        ("file:///etc/passwd", "https alone"),
        ("https://u:p@cdn.example/", "without a password"),
        ("https://meta.example/keys", "not of the public network"),
        ("https://[::1]/", "not of the public network"),
    ],
)
def test_a_redirect_leads_nowhere_within(to, said):
    names = {"meta.example": "169.254.169.254", "::1": "::1"}
    web = Web({URL: answer(b"", 302, Location=to)}, names)
    with pytest.raises(BadInputError, match=said):
        fetcher(web).fetch(URL)
    assert web.asked == [URL]


def test_a_name_that_means_something_within_the_second_time_is_not_followed():
    web = Web({URL: answer(b"", 302, Location=URL)}, {"shop.example": [PUBLIC, "10.0.0.7"]})
    with pytest.raises(BadInputError, match=r"stands for 10\.0\.0\.7"):
        fetcher(web).fetch(URL)
    assert web.asked == [URL]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (answer(b"x" * 200), "more than 100 bytes"),
        (answer(b"x" * 200, Content_Length=None), "more than 100 bytes"),
        (answer(b""), "empty"),
        (answer(kind="text/html; charset=utf-8"), "is of type text/html: expected image/"),
        (answer(status=404), "answers 404"),
        (answer(Content_Encoding="gzip"), "packed"),
        ([b"nonsense\r\n\r\n"], "no answer that can be read"),
    ],
)
def test_what_is_too_large_or_no_picture_is_refused(sent, said):
    with pytest.raises(BadInputError, match=said):
        fetcher(Web({URL: sent}), max_bytes=100).fetch(URL)


def test_what_may_be_there_later_is_told_apart():
    with pytest.raises(UnavailableError, match="answers 503"):
        fetcher(Web({URL: answer(status=503)})).fetch(URL)


def test_an_answer_without_an_end_is_not_read_to_it():
    (head, _), sent = answer(Content_Length=None), []

    def endless():
        yield head
        for _ in range(10_000):
            sent.append(1)
            yield b"x" * 100

    web = Web({URL: endless()})
    with pytest.raises(BadInputError, match="more than 1000 bytes"):
        fetcher(web, max_bytes=1_000).fetch(URL)
    assert len(sent) < 20


@pytest.mark.parametrize("in_head", [True, False])
def test_a_byte_now_and_then_does_not_keep_the_fetcher_waiting(in_head):
    head, _ = answer(b"y" * 2000)
    dripping = [bytes([c]) for c in head] if in_head else [head, *[b"y"] * 2000]
    web = Web({URL: dripping}, wait=0.01)
    with pytest.raises(UnavailableError, match="does not answer"):
        fetcher(web, timeout_s=0.3).fetch(URL)
    assert 1 < web.read < 40, "a hundredth of a second each"


def test_files_below_a_root_are_read_and_no_others(tmp_path):
    root, outside = tmp_path / "pictures", tmp_path / "secret.png"
    (root / "in").mkdir(parents=True)
    (root / "in/a b.png").write_bytes(b"inside")
    outside.write_bytes(b"secret")
    (root / "link.png").symlink_to(outside)
    os.mkfifo(root / "pipe.png")
    reader = fetcher(Web({}), roots=(str(root),))
    for good in ("in/a b.png", f"{root}/in/a b.png", f"file://{root}/in/a%20b.png"):
        assert reader.fetch(good) == b"inside"
    for bad in (
        str(outside),
        "../secret.png",
        f"{root}/../secret.png",
        f"file://{root}/%2e%2e/secret.png",
        "link.png",
        "pipe.png",
        "in",
        "none.png",
        "/etc/passwd",
        "\0",
    ):
        with pytest.raises(BadInputError):
            reader.fetch(bad)
    with pytest.raises(BadInputError, match="more than 3 bytes"):
        fetcher(Web({}), roots=(str(root),), max_bytes=3).fetch("in/a b.png")


@pytest.mark.parametrize(
    "uri",
    ["http://a.example/x", "gopher://a.example/", "s3://other/x.png", "s3://b/p/../q/x.png", ""],
)
def test_no_other_place_is_read(uri):
    with pytest.raises(BadInputError):
        fetcher(Web({}), roots=("s3://b/p",)).fetch(uri)


def test_no_web_at_all_can_be_asked_for():
    web = Web({URL: answer()})
    with pytest.raises(BadInputError, match="no web address"):
        fetcher(web, web=False).fetch(URL)
    assert web.asked == []


def test_one_bad_file_spoils_no_other():
    web = Web({URL: answer(), "https://shop.example/b.png": answer(status=404)})
    found = fetcher(web).fetch_all([URL, "https://shop.example/b.png", "nowhere", URL])
    assert found[0] == found[3] == b"picture"
    assert [type(one) for one in found[1:3]] == [BadInputError, BadInputError]


def test_a_file_that_changes_has_another_stamp(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    reader = fetcher(Web({}), roots=(str(tmp_path),))
    before = reader.stamps(["a.png", "none.png", URL])
    (tmp_path / "a.png").write_bytes(b"22")
    after = reader.stamps(["a.png", "none.png", URL])
    assert before[0] != after[0] != ""
    assert before[1:] == after[1:] == ["", URL]


@pytest.mark.parametrize(
    "bad", [{"max_bytes": 0}, {"timeout_s": 0}, {"at_once": 0}, {"roots": ("https://x.example",)}]
)
def test_settings_that_make_no_sense_are_refused(bad):
    with pytest.raises(BadInputError):
        FetchSettings(**bad)
