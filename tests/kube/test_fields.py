"""Server-side apply does what Kubernetes' documentation of it says."""

import pytest

from kube.errors import RefusedError
from kube.fields import Writer, applied, owners, updated

NOW = "2026-11-28T12:00:00Z"
HELM, KUBECTL = Writer("helm", "Apply"), Writer("kubectl", "Apply")
KUBERAY = Writer("manager")


def apply(before, writer, content, force=False, kind="Pod"):
    metadata = {"name": "x", **content.pop("metadata", {})}
    wanted = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}
    before = before or {"apiVersion": "v1", "kind": kind, "metadata": {}}
    return applied(kind, before, wanted, writer, force, NOW)


def pod(**containers):
    return {"spec": {"containers": [{"name": n, **c} for n, c in containers.items()]}}


def image(content, name):
    return next(c["image"] for c in content["spec"]["containers"] if c["name"] == name)


def test_items_of_a_merged_list_have_owners_of_their_own():
    both = apply(apply(None, HELM, pod(a={"image": "1"})), KUBECTL, pod(b={"image": "2"}))
    assert (image(both, "a"), image(both, "b")) == ("1", "2")
    assert ("f:spec", "f:containers", 'k:{"name":"a"}', "f:image") in owners(both)[HELM]
    assert [e["manager"] for e in both["metadata"]["managedFields"]] == ["helm", "kubectl"]


def test_another_value_conflicts_and_the_same_is_shared():
    first = apply(None, HELM, pod(a={"image": "1"}))
    with pytest.raises(RefusedError) as error:
        apply(first, KUBECTL, pod(a={"image": "2"}))
    assert str(error.value) == (
        'Apply failed with 1 conflict: conflict with "helm" using v1: '
        '.spec.containers[name="a"].image'
    )
    shared = apply(first, KUBECTL, pod(a={"image": "1"}))
    left = apply(shared, HELM, {})
    assert image(left, "a") == "1"
    assert HELM not in owners(left)


def test_who_forces_owns_alone():
    forced = apply(apply(None, HELM, pod(a={"image": "1"})), KUBECTL, pod(a={"image": "2"}), True)
    path = ("f:spec", "f:containers", 'k:{"name":"a"}', "f:image")
    assert image(forced, "a") == "2"
    assert path in owners(forced)[KUBECTL]
    assert path not in owners(forced)[HELM]


def test_what_is_applied_no_more_and_nobody_else_owns_goes():
    first = apply(None, HELM, pod(a={"image": "1", "tty": True}, b={"image": "2"}))
    second = apply(first, HELM, pod(a={"image": "1"}))
    assert second["spec"] == {"containers": [{"name": "a", "image": "1"}]}


def test_an_update_owns_what_it_changed_and_no_more():
    first = apply(None, HELM, pod(a={"image": "1", "tty": True}))
    changed = {**first, **pod(a={"image": "2", "tty": True})}
    after = updated("Pod", first, changed, KUBERAY, NOW)
    assert owners(after)[KUBERAY] == {("f:spec", "f:containers", 'k:{"name":"a"}', "f:image")}
    with pytest.raises(RefusedError, match='conflict with "manager" using v1 at 2026'):
        apply(after, HELM, pod(a={"image": "1", "tty": True}))
    apply(after, HELM, pod(a={"image": "2", "tty": True}))


def test_a_custom_resources_list_is_one_value():
    """And one that a default was put into is another one than that which was applied."""
    groups = {"spec": {"workerGroupSpecs": [{"groupName": "a"}]}}
    first = apply(None, HELM, groups, kind="RayCluster")
    written = {**first, "spec": {"workerGroupSpecs": [{"groupName": "a", "scaleStrategy": {}}]}}
    after = updated("RayCluster", first, written, KUBERAY, NOW)
    with pytest.raises(RefusedError, match=r"\.spec\.workerGroupSpecs"):
        apply(after, HELM, {"spec": {"workerGroupSpecs": [{"groupName": "a"}]}}, kind="RayCluster")
