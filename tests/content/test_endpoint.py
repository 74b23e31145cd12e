import json
import logging

import numpy as np
import pytest

httpx = pytest.importorskip("httpx", reason="the extra content is not installed")

from coterie.content.endpoint import (  # noqa: E402
    OVER_BUDGET,
    EndpointEncoder,
    EndpointSettings,
)
from coterie.errors import BadInputError, UnavailableError  # noqa: E402

KEY = "sk-very-secret"


def vector(text):
    return [float(len(text)), 1.0, float(text.startswith("query: "))]


class Api:
    """Answers like OpenAI's, in another order than asked; first with the ``failures``."""

    def __init__(self, *failures):
        self.failures, self.asked, self.slept = list(failures), [], []

    def __call__(self, request):
        self.asked.append(request)
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            return failure
        texts = json.loads(request.content)["input"]
        rows = [{"index": place, "embedding": vector(text)} for place, text in enumerate(texts)]
        return httpx.Response(200, json={"data": rows[::-1]})

    def encoder(self, **settings):
        asked = EndpointSettings("https://api.example/v1/", "tiny", **settings)
        return EndpointEncoder(asked, KEY, httpx.MockTransport(self), self.slept.append)


def unit(rows):
    rows = np.array(rows)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).tolist()


def test_texts_are_asked_for_in_batches_and_come_back_in_order():
    api = Api()
    encoder = api.encoder(batch=2)
    found = encoder.encode(["aaa", "b", " ", "cccccc"])
    assert not found.faults
    assert encoder.width == 3
    told = found.vectors[[0, 1, 3]]
    assert told == pytest.approx(np.array(unit([vector(t) for t in ("aaa", "b", "cccccc")])))
    assert not found.vectors[2].any()
    sent = [json.loads(one.content) for one in api.asked]
    assert [one["input"] for one in sent] == [["a"], ["aaa", "b"], ["cccccc"]]
    assert {one["model"] for one in sent} == {"tiny"}
    assert {str(one.url) for one in api.asked} == {"https://api.example/v1/embeddings"}
    assert api.asked[0].headers["Authorization"] == f"Bearer {KEY}"


def test_a_prefix_is_put_before_each_text_and_is_part_of_the_digest():
    found = Api().encoder(prefix="query: ").encode(["a"])
    assert found.vectors[0, 2] > 0
    assert Api().encoder(prefix="query: ").digest != Api().encoder().digest
    assert Api().encoder().digest == Api().encoder(batch=7).digest


def test_what_may_work_next_time_is_tried_again_and_no_sooner_than_asked():
    busy = httpx.Response(429, headers={"Retry-After": "7"})
    api = Api(httpx.ConnectError("no"), busy, httpx.Response(503))
    assert api.encoder().width == 3
    assert api.slept == [1.0, 7.0, 4.0]


def test_it_gives_up_in_the_end_and_never_waits_long():
    busy = [httpx.Response(429, headers={"Retry-After": "9999"})] * 3
    api = Api(*busy)
    with pytest.raises(UnavailableError, match="status 429"):
        api.encoder(tries=3, max_wait_s=9).encode(["a"])
    assert api.slept == [9, 9]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, json={"error": {"message": f"Incorrect API key: {KEY}"}}),
        httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
        httpx.Response(200, json={"data": []}),
        httpx.Response(200, json={"data": [{"index": 1, "embedding": [1.0]}]}),
        httpx.Response(200, json={"data": [{"index": 0, "embedding": []}]}),
        httpx.Response(200, text='{"data": [{"index": 0, "embedding": [NaN]}]}'),
        httpx.Response(200, text="<html>"),
    ],
)
def test_what_is_refused_or_no_vectors_is_not_asked_again_and_no_key_is_told(answer, caplog):
    caplog.set_level(logging.DEBUG)
    api = Api(answer)
    encoder = api.encoder()
    with pytest.raises(BadInputError) as raised:
        encoder.encode(["a"])
    assert len(api.asked) == 1
    assert KEY not in f"{raised.value} {encoder!r} {encoder.__dict__} {caplog.text}"


def test_a_run_sends_no_more_than_its_budget():
    api = Api()
    found = api.encoder(batch=1, max_characters=10).encode(["aaaa", "bbbb", "cccc", "d"])
    assert found.faults == {2: OVER_BUDGET}
    assert found.vectors.any(axis=1).tolist() == [True, True, False, True]
    assert sum(len(json.loads(one.content)["input"][0]) for one in api.asked) <= 10


@pytest.mark.parametrize(
    "bad", [{"address": "file:///x"}, {"model": ""}, {"batch": 0}, {"max_characters": 0}]
)
def test_settings_that_make_no_sense_are_refused(bad):
    with pytest.raises(BadInputError):
        EndpointSettings(**{"address": "https://api.example", "model": "m", **bad})
