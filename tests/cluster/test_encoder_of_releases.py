"""A release that replicas' text encoder cannot search is refused before it reaches them."""

import numpy as np
import pytest
from cluster_shop import release

from coterie.cluster.arms import RayServiceArms
from coterie.cluster.check import Check
from coterie.cluster.statements import Statements
from coterie.cluster.store import ClusterRolloutStore
from coterie.content.endpoint import EndpointEncoder, EndpointSettings
from coterie.content.sentences import SentenceEncoder
from coterie.release.encoders import ReleasedEncoder
from coterie.release.store import ReleaseStore
from coterie.rollout.live import ReleaseRef
from tests.waiting import wait_until

API, OTHER_API = "https://one.example/v1", "https://two.example/v1"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Releases by what made their vectors: the store's folder, and digests."""
    root = str(tmp_path_factory.mktemp("encoded"))
    api = EndpointEncoder(EndpointSettings(API, "m"))
    made = {
        "api": ReleasedEncoder(api.name, api.digest, API, "m"),
        "nobody": ReleasedEncoder("words-1", "cd" * 32, "default"),
    }
    return root, {
        name: release(
            root, name, vectors={"text": np.eye(2, 4, dtype=np.float16)}, encoders={"text": one}
        )
        for name, one in made.items()
    }


def said(store, name, place):
    root, digests = store
    check = Check(digests[name], lambda: f"{root}/{name}", place)
    wait_until(lambda: check.over)
    return check.answer()


@pytest.mark.parametrize("place", [API, None, "none", "/models/e5", "s3://models/e5"])
def test_what_made_it_passes_and_so_does_what_replicas_alone_can_open(store, place):
    assert said(store, "api", place) == ""


def test_another_api_is_refused_and_none_is_asked(store):
    assert "and release api has vectors of m@one.example" in said(store, "api", OTHER_API)


def test_vectors_that_the_default_did_not_make_are_refused(store):
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    assert "release nobody has vectors of words-1" in said(store, "nobody", "")


def test_those_that_it_made_pass(tmp_path):
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    encoder = SentenceEncoder()
    made = ReleasedEncoder(encoder.name, encoder.digest, "default")
    vectors = {"text": np.eye(2, encoder.width, dtype=np.float16)}
    digest = release(tmp_path, "v1", vectors=vectors, encoders={"text": made})
    assert said((tmp_path, {"v1": digest}), "v1", "default") == ""


def test_rollouts_and_what_values_name_are_checked_by_what_replicas_have(shop, store, cluster):
    root, digests = store
    arms = RayServiceArms(
        cluster, "shop", ReleaseStore(root), settled_s=-1.0, text_encoder=OTHER_API
    )
    statements = Statements(
        cluster, ClusterRolloutStore(cluster, "shop", "me"), text_encoder=OTHER_API
    )
    named = ReleaseRef(digests["api"], f"{root}/api")
    arms.live()
    for ask in (lambda: arms.preflight(digests["api"]), lambda: statements._preflight(named)):
        answers = []
        wait_until(
            lambda ask=ask, answers=answers: answers.append(ask()) or answers[-1] is not None
        )
        assert "has vectors of m@one.example" in answers[-1]
