"""Keys of pseudonyms reach the pods that make pseudonyms, from the operator's secret."""

import json

from chart import CI, named, pods, variables

SET = ("--set", "secrets.existingPseudonymKey=ours")
NAME = "COTERIE_PSEUDONYM_KEY"


def those_with_the_key(objects):
    return {
        (pod.owner.partition("/")[0], container["name"]): entry
        for pod in pods(objects)
        for container in pod.containers
        for entry in container.get("env", ())
        if entry["name"] == NAME
    }


def defaults(objects):
    (upload,) = [
        one
        for pod in pods(objects)
        if pod.owner == "Job/coterie-pipelines-upload"
        for one in pod.containers
    ]
    return json.loads(variables(upload, objects)["PIPELINE_DEFAULTS"])


def test_serving_and_pipelines_are_given_the_key_by_the_name_of_its_secret(chart):
    objects = chart.objects(CI["gpu"], *SET)
    found = those_with_the_key(objects)
    assert {name for _, name in found} == {"ray-head", "ray-worker"}
    for entry in found.values():
        assert entry["valueFrom"]["secretKeyRef"] == {"name": "ours", "key": NAME}
    told = defaults(objects)
    # Pipelines refuse to run without it: one run would write ids for good.
    assert (told["pseudonym_secret"], told["pseudonyms"]) == ("ours", True)
    assert "Secret/ours" not in named(objects)


def test_without_a_key_ids_are_kept(chart):
    objects = chart.objects(CI["gpu"])
    assert those_with_the_key(objects) == {}
    assert not {"pseudonym_secret", "pseudonyms"} & set(defaults(objects))
