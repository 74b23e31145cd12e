"""An upgrade keeps what is live and what is secret, and changes nothing that cannot be changed."""

import base64
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chart import CI, OF_REVISION, SECRETS, deployments, one, parse, pods
from fake_kubernetes import kubernetes

from coterie.access.keys import id_in, parse_keys
from coterie.access.scopes import Scope
from coterie.access.tokens import Purpose, mint

GOLDEN = Path(__file__).parent / "golden"
"""What the chart rendered when it was last released; written anew by UPDATE_GOLDEN=1."""
ASKING = ("--dry-run=server", "--disable-openapi-validation")


def upgraded(chart, folder, objects, *options):
    with kubernetes(folder, objects) as kubeconfig:
        return chart.objects(CI["gpu"], *ASKING, *options, KUBECONFIG=str(kubeconfig))


def service(chart, *options):
    return one(chart.objects(CI["gpu"], *SECRETS, *options), "RayService", "coterie")


def test_what_is_live_is_no_field_of_the_chart(chart):
    """So no upgrade, of whatever, meets the controller's writes: helm 3 merges, helm 4 applies."""
    found = service(chart)
    assert "serveConfigV2" not in found["spec"]
    told = {name: d["user_config"] for name, d in _template(found).items()}
    assert told == {"Api": None, "EventSink": None}


def test_where_nobody_rolls_out_values_say_what_is_live(chart):
    found = service(chart, "--set", "rollouts.enabled=false")
    assert "annotations" not in found["metadata"]
    for deployment in deployments([found]).values():
        stable = deployment["user_config"]["stable"]
        assert stable["folder"] == "s3://coterie/releases/20261126000000"


@pytest.mark.parametrize("force", [False, True])
def test_values_state_a_release_and_the_controller_reads_it(chart, force):
    stated = pytest.importorskip("coterie.cluster.stated")
    found = service(chart, "--set", f"release.force={str(force).lower()}")
    statement = stated.Statement.of(found)
    assert statement.release.folder == "s3://coterie/releases/20261126000000"
    assert (statement.force, statement.revision) == (force, 1)


def test_a_setting_of_serving_and_a_release_change_nothing_but_their_annotation(chart):
    before = service(chart)
    for option, annotation in (
        ("serving.api.targetOngoing=2", "coterie.rollout/serve-config"),
        ("release.digest=" + "c" * 64, "coterie.rollout/stated"),
    ):
        after = service(chart, "--set", option)
        assert after["spec"] == before["spec"]
        (changed,) = (
            after["metadata"]["annotations"].items() - before["metadata"]["annotations"].items()
        )
        assert changed[0] == annotation


def test_kuberay_finds_the_finalizer_that_it_would_add(chart):
    """By an update of the whole object, after which it owns lists that upgrades change."""
    assert service(chart)["metadata"]["finalizers"] == ["ray.io/rayservice-finalizer"]


def _template(found):
    config = json.loads(found["metadata"]["annotations"]["coterie.rollout/serve-config"])
    (application,) = config["applications"]
    return {d["name"]: d for d in application["deployments"]}


def test_passwords_stay(chart, tmp_path):
    with kubernetes(tmp_path, []) as kubeconfig:
        first = parse(chart.text(CI["gpu"], *ASKING, KUBECONFIG=str(kubeconfig), RUN="first"))
    secrets = [o for o in first if o["kind"] == "Secret"]
    assert len(secrets) == 3
    for secret in secrets:
        for name, value in secret["data"].items():
            assert len(base64.b64decode(value)) == 32 or name in ("keys.json", "shop-key")
    second = upgraded(chart, tmp_path, secrets)
    for secret in secrets:
        assert one(second, "Secret", secret["metadata"]["name"])["data"] == secret["data"]


def test_the_first_key_opens_what_a_shop_needs_and_its_file_holds_no_key(chart):
    data = one(chart.objects(CI["gpu"]), "Secret", "coterie-keys")["data"]
    key = base64.b64decode(data["shop-key"]).decode()
    content = base64.b64decode(data["keys.json"])
    (kept,) = parse_keys(content, "keys.json")
    assert kept.is_of(key)
    assert kept.id == id_in(key)
    assert kept.holds(datetime.now(UTC))
    assert set(kept.scopes) == set(Scope) - {Scope.ADMIN}
    assert key.encode() not in content
    assert mint(kept, Purpose.SHOPPER, datetime.now(UTC), subject="ana")


def test_keys_that_a_person_changed_stay(chart, tmp_path):
    changed = {"keys.json": base64.b64encode(b"{}").decode()}
    secret = one(chart.objects(CI["gpu"]), "Secret", "coterie-keys") | {"data": changed}
    second = upgraded(chart, tmp_path, [secret])
    assert one(second, "Secret", "coterie-keys")["data"] == changed


def test_passwords_differ_from_each_other_and_each_time(chart):
    values = [
        value
        for run in ("1", "2")
        for o in chart.objects(CI["gpu"], RUN=run)
        if o["kind"] == "Secret"
        for value in o["data"].values()
    ]
    assert len(set(values)) == len(values) == 12


def test_monitors_are_made_where_the_cluster_knows_them(chart, tmp_path):
    auto = ("--set", "monitoring.enabled=auto")
    kinds = {o["kind"] for o in upgraded(chart, tmp_path, [], *auto)}
    assert {"PodMonitor", "ServiceMonitor"} <= kinds


def test_a_new_release_in_the_values_restarts_nothing(chart):
    """It is not even told: what is live stays live. So no pod may change for it."""
    before, after = (
        chart.objects(CI["gpu"], *SECRETS, "--set", f"release.folder=s3://coterie/releases/{n}")
        for n in (1, 2)
    )
    assert _pod_templates(before) == _pod_templates(after)


def test_a_new_chart_version_restarts_nothing(chart, tmp_path):
    folder = shutil.copytree(chart.folder, tmp_path / "coterie")
    meta = folder / "Chart.yaml"
    meta.write_text(meta.read_text().replace("\nversion: 0.1.0", "\nversion: 0.2.0"))
    newer = type(chart)(chart.binary, folder)
    before, after = (c.objects(CI["gpu"], *SECRETS) for c in (chart, newer))
    assert before != after
    assert _pod_templates(before) == _pod_templates(after)


def test_other_settings_restart_rays_pods(chart):
    before, after = (
        chart.objects(CI["gpu"], *SECRETS, "--set", f"serving.logLevel={level}")
        for level in ("INFO", "DEBUG")
    )
    assert _pod_templates(before) != _pod_templates(after)


def _pod_templates(objects):
    """Of all that runs; the pod of helm test is made anew each time."""
    lasting = [pod for pod in pods(objects) if not pod.owner.startswith("Pod/")]
    notes = _notes(objects)
    return {pod.owner + pod.component: (pod.labels, pod.spec, notes) for pod in lasting}


def _notes(objects):
    service = one(objects, "RayService", "coterie")["spec"]["rayClusterConfig"]
    return service["headGroupSpec"]["template"]["metadata"]["annotations"]


IMMUTABLE = {
    "Deployment": ["selector"],
    "StatefulSet": ["selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy"],
    "Service": ["clusterIP"],
    "RoleBinding": [],
}
"""Of ``spec``; hooks are deleted before they are made again, so their fields may change. A Job's
name says what is in it."""


@pytest.mark.parametrize("values", sorted(CI))
def test_no_field_changes_that_cannot_be_changed(chart, values):
    after = chart.objects(CI[values], *SECRETS)
    path = GOLDEN / f"{values}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(_fixed(after), indent=1, sort_keys=True) + "\n")
    before, now = json.loads(path.read_text()), _fixed(after)
    for name in before.keys() & now.keys():
        assert now[name] == before[name], f"{name}: an upgrade would fail"
    gone = {name for name in before.keys() - now.keys() if name.startswith("StatefulSet")}
    assert not gone, "its data would be left behind"


def _fixed(objects):
    """What cannot be changed of each object, by its name."""
    found = {}
    for o in objects:
        if o["kind"] in IMMUTABLE and "helm.sh/hook" not in o["metadata"].get("annotations", {}):
            fields = {f: o["spec"].get(f) for f in IMMUTABLE[o["kind"]]} if "spec" in o else {}
            fields |= {"roleRef": o["roleRef"]} if "roleRef" in o else {}
            found[f"{o['kind']}/{o['metadata']['name']}"] = fields
    return found


def test_a_changed_selector_would_be_noticed(chart):
    golden = json.loads((GOLDEN / "gpu.json").read_text())
    changed = chart.objects(CI["gpu"], *SECRETS, "--set", "redis.storageClass=fast")
    name = "StatefulSet/coterie-redis"
    assert _fixed(changed)[name] != golden[name]


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ("serving.logLevel=DEBUG", set()),
        ("features.resources.limits.memory=5Gi", {"features-apply"}),
        ("redis.tls=true", {"features-apply"}),
        ("images.serve=other", {"features-apply"}),
        ("images.train=other", {"pipelines-upload"}),
        ("training.workers=7", {"pipelines-upload"}),
        ("images.tag=v9", {"features-apply", "pipelines-upload"}),
    ],
)
def test_a_job_that_would_be_another_has_another_name(chart, change, changed):
    """It cannot be changed. Helm counts revisions, tools that only render do not."""
    before, after = (
        {OF_REVISION.sub("", name): name for name in names}
        for names in (_jobs(chart), _jobs(chart, "--set", change))
    )
    assert before.keys() == after.keys()
    different = {name.removeprefix("coterie-") for name in before if before[name] != after[name]}
    assert different == changed


def test_a_job_that_reads_another_script_has_another_name(chart, tmp_path):
    folder = shutil.copytree(chart.folder, tmp_path / "coterie")
    script = folder / "files" / "upload.py"
    script.write_text(script.read_text() + "# changed")
    (same,) = set(_jobs(type(chart)(chart.binary, folder))) & set(_jobs(chart))
    assert same.startswith("coterie-features-apply-")


def _jobs(chart, *options):
    return [
        o["metadata"]["name"]
        for o in chart.objects(CI["gpu"], *SECRETS, *options)
        if o["kind"] == "Job" and "annotations" not in o["metadata"]
    ]
