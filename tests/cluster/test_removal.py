"""An uninstall begins with the RayService, and waits until KubeRay has let go of it."""

import pytest

from coterie.cluster.removal import OWNED_BY, main, remove, tidy
from coterie.errors import BadInputError, UnavailableError

SERVICE, CLUSTER = ("rayservices", "shop"), ("rayclusters", "shop-abcde")
SPEC = {"serveConfigV2": ""}


@pytest.fixture
def rounds(api):
    """A RayService and its RayCluster, held back as KubeRay does; each pause is a round of it."""
    api.put(*SERVICE, {"spec": SPEC, "metadata": {"finalizers": ["ray.io/rayservice-finalizer"]}})
    finalizers = {"finalizers": ["ray.io/gcs-ft-redis-cleanup-finalizer"]}
    api.put(*CLUSTER, {"metadata": {"labels": {OWNED_BY: "shop"}, **finalizers}})
    return Rounds(api)


class Rounds:
    """A clock that KubeRay turns by: the RayCluster goes after a while, the service after it."""

    def __init__(self, api):
        self.api, self.now, self.cleanup_s = api, 0.0, 60.0

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds
        objects = self.api.objects
        leaving = SERVICE in objects and "deletionTimestamp" in objects[SERVICE]["metadata"]
        if leaving and CLUSTER not in objects:
            del objects[SERVICE]
        elif leaving and self.now >= self.cleanup_s:
            del objects[CLUSTER]


def test_it_returns_once_all_is_gone(api, cluster, rounds, capsys):
    remove(cluster, "shop", 240, rounds, rounds.pause)
    assert not {SERVICE, CLUSTER} & api.objects.keys()
    assert 60 <= rounds.now < 70
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "waiting until RayCluster shop-abcde and RayService shop are gone",
        "waiting until RayService shop is gone",
        "no RayService shop is left",
    ]


def test_a_neighbours_cluster_is_left_alone_and_not_waited_for(api, cluster, rounds):
    other = {"metadata": {"labels": {OWNED_BY: "other"}}}
    api.put("rayclusters", "other-abcde", other)
    remove(cluster, "shop", 240, rounds, rounds.pause)
    assert ("rayclusters", "other-abcde") in api.objects


def test_what_does_not_go_is_named_in_time(cluster, rounds):
    rounds.cleanup_s = 1e9
    with pytest.raises(
        UnavailableError, match=r"waited 240 s until RayCluster shop-abcde .*operator run"
    ):
        remove(cluster, "shop", 240, rounds, rounds.pause)
    assert rounds.now <= 242


def test_where_there_is_nothing_it_ends_at_once(cluster, capsys):
    remove(cluster, "shop", 240)
    assert "no RayService shop is left" in capsys.readouterr().out


def test_without_kuberay_there_is_nothing(api, cluster):
    api.fail("*", "rayservices", 404, times=9)
    api.fail("*", "rayclusters", 404, times=9)
    remove(cluster, "shop", 240)


def test_an_api_that_is_away_for_a_while_is_asked_again(api, cluster, rounds):
    api.fail("*", "rayservices", 503, times=5)
    remove(cluster, "shop", 240, rounds, rounds.pause)
    assert SERVICE not in api.objects


def test_a_role_that_does_not_allow_it_ends_it(api, cluster, rounds):
    api.fail("delete", "rayservices", 403)
    with pytest.raises(BadInputError, match="allow the verb delete on rayservices"):
        remove(cluster, "shop", 240, rounds, rounds.pause)


def test_what_helm_forgets_is_removed_and_may_be_gone(api, cluster):
    mine = {"metadata": {"labels": {"instance": "shop", "component": "jobs"}}}
    api.put("jobs", "shop-features-apply-3-abcde", mine)
    api.put("jobs", "another", {"metadata": {"labels": {"instance": "other"}}})
    api.put("pods", "shop-test-api", {"spec": {}})
    api.put("pods", "another", {"spec": {}})
    for _ in range(2):
        tidy(cluster, "instance=shop,component=jobs", ["shop-test-api"])
    left = {one for one in api.objects if one[0] in ("jobs", "pods")}
    assert left == {("jobs", "another"), ("pods", "another")}


def test_what_helm_forgets_keeps_no_install(api, cluster, capsys):
    """The RayService is gone by then: an uninstall that stopped here would leave half of it."""
    api.fail("list", "jobs", 503)
    tidy(cluster, "instance=shop", ["shop-test-api"])
    assert "may be left: cannot list jobs" in capsys.readouterr().out


def test_it_fails_in_one_line(api, cluster, monkeypatch, capsys):
    from coterie.cluster import removal

    monkeypatch.setattr(removal.Cluster, "connect", lambda namespace: cluster)
    api.fail("*", "rayclusters", 403, times=9)
    arguments = ["--namespace=shop", "--service=shop", "--seconds=0", "--jobs=a=b"]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "allow the verb list on rayclusters" in said
