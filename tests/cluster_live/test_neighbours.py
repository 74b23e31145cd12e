"""A second install beside ours: neither sees the other."""

from dataclasses import replace

import live_pods
import pytest
from live_load import load

SMALL = {
    "rollouts": {"replicas": 1},
    "events": {"consumer": {"replicas": 1}},
    "release": {"folder": "", "digest": ""},
    "pipelines": {"upload": False},
}
"""An install that serves nothing: what it has besides a Ray cluster."""


def objects_of(cluster, instance):
    kinds = "deployment,statefulset,service,configmap,secret,networkpolicy,pdb,role,serviceaccount"
    found = cluster.objects(kinds, f"app.kubernetes.io/instance={instance}")
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["uid"] for one in found}


@pytest.mark.fake
def test_two_charts_in_one_namespace(serving, first, settings, saw):
    cluster = serving.cluster
    before = objects_of(cluster, serving.instance)
    second = replace(serving, instance="second", more=SMALL, made={}, given_up={})
    with load(cluster, settings, 900, first.shoppers) as sent:
        try:
            second.upgrade({}, "--wait")
            theirs = objects_of(cluster, "second")
        finally:
            took = second.uninstall()
    saw(objects=len(theirs), uninstalled_in_s=round(took), **sent.figures)
    assert not set(before) & set(theirs)
    assert objects_of(cluster, serving.instance) == before
    sent.lost_nothing(300)


@pytest.fixture
def elsewhere(install):
    with install.beside("2", more=SMALL) as found:
        yield found


@pytest.mark.fake
def test_two_charts_of_one_name_in_two_namespaces(serving, first, settings, elsewhere, saw):
    before = objects_of(serving.cluster, serving.instance)
    with load(serving.cluster, settings, 900, first.shoppers) as sent:
        elsewhere.upgrade({}, "--wait")
        theirs = objects_of(elsewhere.cluster, elsewhere.instance)
        took = elsewhere.uninstall()
    saw(objects=len(theirs), uninstalled_in_s=round(took), **sent.figures)
    assert theirs
    assert objects_of(serving.cluster, serving.instance) == before
    sent.lost_nothing(300)
    assert live_pods.PROGRAMS_MAP in serving.cluster.kubectl("get", "configmaps")
