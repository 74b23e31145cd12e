"""Pods that go, one way or another, while shoppers ask."""

import pytest
from live_load import load


@pytest.mark.fake
def test_a_rolling_drain_of_all_workers_loses_nothing(serving, first, settings, saw):
    """By the eviction API, one at a time, as ``kubectl drain`` of one node after another."""
    cluster = serving.cluster
    workers = cluster.ready("worker")
    wanted, refused, took = serving.workers(), 0, []
    with load(cluster, settings, 600 * len(workers) + 300, first.shoppers) as sent:
        for pod in workers:
            began = cluster.now()
            while not cluster.evict(pod):
                refused += 1
                assert cluster.now() - began < 600, f"{pod} is never let go: see its budget"
                cluster.pause(5)
            cluster.wait(lambda pod=pod: cluster.find("pod", pod) is None, 300, f"{pod} is gone")
            cluster.wait(
                lambda: len(cluster.ready("worker")) >= wanted,
                900,
                f"{wanted} workers are Ready again",
                look=serving.seen,
            )
            took.append(round(cluster.now() - began))
        cluster.pause(10)
    saw(workers=len(workers), refused_at_first=refused, seconds_each=took, **sent.figures)
    sent.lost_nothing(500)


@pytest.mark.fake
@pytest.mark.parametrize("component", ["worker", "controller", "head"])
def test_a_pod_that_is_deleted_takes_no_request_with_it(serving, first, settings, saw, component):
    cluster = serving.cluster
    names = {pod["metadata"]["name"] for pod in cluster.pods(component)}
    with load(cluster, settings, 1200, first.shoppers) as sent:
        cluster.kubectl("delete", "pod", sorted(names)[0], "--wait=false")
        took = cluster.wait(
            lambda: len(set(cluster.ready(component)) - {sorted(names)[0]}) >= len(names),
            900,
            f"{len(names)} {component} pods are Ready again",
            look=serving.seen,
        )
        cluster.pause(20)
    saw(ready_again_after_s=round(took), **sent.figures)
    sent.lost_nothing(300)


def test_a_killed_worker_costs_at_most_what_it_was_answering(serving, first, settings, saw):
    """Without a warning: as when a machine dies."""
    cluster = serving.cluster
    with load(cluster, settings, 300, first.shoppers) as sent:
        pod = cluster.ready("worker")[0]
        cluster.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")
        cluster.pause(60)
    saw(**sent.figures)
    assert sum(sent.failed.values()) <= 4, sent.figures


def test_a_worker_whose_disk_is_full_is_replaced(serving, first, settings, saw):
    """More than values.yaml lets its volume hold: the kubelet evicts the pod, others answer."""
    cluster = serving.cluster
    pod = cluster.ready("worker")[0]
    with load(cluster, settings, 1200, first.shoppers) as sent:
        fill = "head -c 400M /dev/zero > /var/lib/coterie/full || true"
        cluster.kubectl("exec", pod, "--container=ray-worker", "--", "sh", "-c", fill, check=False)
        evicted = cluster.wait(
            lambda: pod not in cluster.ready("worker"), 300, f"{pod} is evicted", look=serving.seen
        )
        again = cluster.wait(
            lambda: len(cluster.ready("worker")) >= serving.workers(),
            900,
            "the workers are complete again",
            look=serving.seen,
        )
    saw(evicted_after_s=round(evicted), complete_after_s=round(evicted + again), **sent.figures)
    assert sum(sent.failed.values()) <= 4, sent.figures
