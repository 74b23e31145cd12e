"""Every object is one that Kubernetes, KubeRay and Prometheus' operator would take."""

import json

import pytest
from chart import CI, ROOT

SCHEMAS = ROOT.parent / "shared" / "schemas"
OLDEST = "1.28"


def versions():
    validate = pytest.importorskip(
        "kubernetes_validate", reason="no kubernetes-validate: pip install kubernetes-validate"
    )
    known = [
        v for v in validate.utils.all_versions() if tuple(map(int, v.split(".")[:2])) >= (1, 28)
    ]
    return validate, (known[0], known[-1])


def custom(one):
    return "." in one["apiVersion"].partition("/")[0] and not one["apiVersion"].partition("/")[
        0
    ].endswith(".k8s.io")


def test_kubernetes_takes_every_object_of_its_own(example):
    validate, (oldest, newest) = versions()
    assert oldest.startswith(OLDEST)
    own = [one for one in example if not custom(one) and one["kind"] != "HTTPRoute"]
    assert len(own) >= 25
    for one in own:
        for version in (oldest, newest):
            validate.validate(one, version, strict=True)


def test_operators_take_every_object_of_theirs(example):
    jsonschema = pytest.importorskip("jsonschema")
    if not SCHEMAS.is_dir():
        pytest.skip(f"no schemas of custom resources in {SCHEMAS}")
    for one in filter(custom, example):
        group, _, version = one["apiVersion"].partition("/")
        schema = json.loads((SCHEMAS / f"{one['kind']}.{group}.{version}.json").read_text())
        # Kubernetes drops unknown fields without a word: a slip would go unnoticed.
        jsonschema.Draft202012Validator(closed(schema)).validate(one)


def closed(schema):
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    is_object = isinstance(inner.get("properties"), dict) and inner.get("type") == "object"
    if is_object and "additionalProperties" not in inner and not inner.get(PRESERVES):
        if set(inner["properties"]) == {"apiVersion", "kind", "metadata", "spec", "status"}:
            inner["properties"]["metadata"] = {"type": "object"}
        inner["additionalProperties"] = False
    return inner


PRESERVES = "x-kubernetes-preserve-unknown-fields"


def test_a_slip_in_a_custom_resource_is_found(chart):
    jsonschema = pytest.importorskip("jsonschema")
    if not SCHEMAS.is_dir():
        pytest.skip(f"no schemas of custom resources in {SCHEMAS}")
    schema = closed(json.loads((SCHEMAS / "RayService.ray.io.v1.json").read_text()))
    service = next(o for o in chart.objects(CI["gpu"]) if o["kind"] == "RayService")
    slipped = {**service, "spec": {**service["spec"], "serveConfigV3": ""}}
    with pytest.raises(jsonschema.ValidationError, match="serveConfigV3"):
        jsonschema.Draft202012Validator(schema).validate(slipped)


@pytest.mark.parametrize("values", sorted(CI))
def test_helm_lints_without_a_warning(chart, values):
    said = chart.run("lint", "--strict", str(chart.folder), "--values", str(CI[values]))
    assert "0 chart(s) failed" in said
    assert "WARNING" not in said


@pytest.mark.parametrize("values", sorted(CI))
def test_every_object_has_a_name_of_its_own_and_lies_in_one_namespace(chart, values):
    objects = chart.objects(CI[values])
    keys = [(o["kind"], o["metadata"]["name"]) for o in objects]
    assert len(set(keys)) == len(keys)
    assert {o["metadata"]["namespace"] for o in objects} == {"shop"}
