"""What a careful cluster asks of every pod, and that objects fit each other."""

import re

import pytest
from chart import CI, RAYS_AGENT, SECRETS, deployments, named, one, pods, selects, variables

QUANTITY = re.compile(r"([0-9.]+)(m|Ki|Mi|Gi)?")
UNITS = {None: 1.0, "m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def amount(text) -> float:
    number, unit = QUANTITY.fullmatch(str(text)).groups()
    return float(number) * UNITS[unit]


def containers(objects):
    for pod in pods(objects):
        for container in pod.containers:
            yield f"{pod.owner} {container['name']}", container
    for service in (o for o in objects if o["kind"] == "RayService"):
        # KubeRay makes a container of these.
        options = service["spec"]["rayClusterConfig"]["autoscalerOptions"]
        yield "autoscaler", {"image": "as the head's:1", **options}


def test_images_have_a_tag_that_stays(example):
    for where, container in containers(example):
        image = container["image"]
        assert re.search(r":[^:/]+$", image), f"{where}: {image} has no tag"
        assert not image.endswith(":latest"), where


def test_a_digest_wins_over_the_tag(chart):
    image = chart.objects(CI["production"])
    found = {c["image"] for _, c in containers(image)} - {"as the head's:1"}
    assert found == {
        f"registry.example.com/shop/coterie-serve@sha256:{'1' * 64}",
        f"registry.example.com/shop/coterie-train@sha256:{'2' * 64}",
    }


def test_containers_say_what_they_need_and_may_have(example):
    for where, container in containers(example):
        requests, limits = (container["resources"][key] for key in ("requests", "limits"))
        assert {"cpu", "memory"} <= set(requests), where
        for name in ("cpu", "memory"):
            assert amount(requests[name]) <= amount(limits[name]), f"{where}: {name}"


def test_containers_are_restricted(example):
    for where, container in containers(example):
        security = container["securityContext"]
        assert security["runAsNonRoot"], where
        assert security["readOnlyRootFilesystem"], where
        assert not security["allowPrivilegeEscalation"], where
        assert security["capabilities"] == {"drop": ["ALL"]}, where
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where


def test_pods_are_restricted(example):
    for pod in pods(example):
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"], pod.owner
        assert security["runAsUser"] == security["fsGroup"] == 10001, pod.owner
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec), pod.owner
        assert not [v for v in pod.spec.get("volumes", ()) if "hostPath" in v], pod.owner
        # Else a Service called coterie would set COTERIE_PORT to a URL.
        assert pod.spec["enableServiceLinks"] is False, pod.owner


def test_whoever_has_a_token_for_kubernetes_has_a_role(example):
    accounts = {o["metadata"]["name"] for o in example if o["kind"] == "ServiceAccount"}
    bound = {
        subject["name"] for o in example if o["kind"] == "RoleBinding" for subject in o["subjects"]
    }
    # KubeRay binds a role of its own to the account of a head with an autoscaler.
    bound.add("coterie-head")
    for pod in pods(example):
        assert pod.spec["serviceAccountName"] in accounts, pod.owner
        if pod.spec["automountServiceAccountToken"]:
            assert pod.spec["serviceAccountName"] in bound, pod.owner


def test_roles_reach_one_namespace_and_no_wildcard(example):
    assert not {"ClusterRole", "ClusterRoleBinding"} & {o["kind"] for o in example}
    for role in (o for o in example if o["kind"] == "Role"):
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            if "secrets" in rule["resources"]:
                # Kubeflow's own, by name: its launcher stores artefacts with it.
                assert rule["resourceNames"] == ["mlpipeline-minio-artifact"]
                assert rule["verbs"] == ["get"]


def test_steps_may_what_their_code_does(chart):
    """As coterie/cluster/jobs.py asks, and Kubeflow's own containers beside it."""
    rules = [
        (rule["resources"], rule["verbs"], rule.get("resourceNames"))
        for rule in one(chart.objects(CI["gpu"]), "Role", "coterie-train")["rules"]
    ]
    assert rules == [
        (["rayjobs"], ["create", "get", "delete"], None),
        (["pods"], ["get", "list"], None),
        (["pods/log"], ["get"], None),
        (["configmaps"], ["get"], ["kfp-launcher"]),
        (["secrets"], ["get"], ["mlpipeline-minio-artifact"]),
        (["workflowtaskresults"], ["create", "patch"], None),
    ]


def test_the_controller_may_what_its_code_does(chart):
    """As coterie/cluster asks: get and patch by name, list pods, create events."""
    objects = chart.objects(CI["gpu"])
    rules = {
        resource: (set(rule["verbs"]), rule.get("resourceNames"))
        for rule in one(objects, "Role", "coterie-controller")["rules"]
        for resource in rule["resources"]
    }
    rollout_store = ["coterie-rollout", "coterie-rollout-commands", "coterie-before"]
    assert rules == {
        "rayservices": ({"get", "patch"}, ["coterie"]),
        "configmaps": ({"get", "patch"}, rollout_store),
        "leases": ({"get", "patch"}, ["coterie-rollout"]),
        "pods": ({"list"}, None),
        "events": ({"create"}, None),
    }
    for name in rollout_store:
        assert "data" not in one(objects, "ConfigMap", name), "an upgrade would overwrite it"
    assert "spec" not in one(objects, "Lease", "coterie-rollout")


def test_replicas_may_read_the_rollout_store_and_leave_commands(chart):
    rules = one(chart.objects(CI["gpu"]), "Role", "coterie-worker")["rules"]
    assert [(rule["resourceNames"], rule["verbs"]) for rule in rules] == [
        (["coterie-rollout"], ["get"]),
        (["coterie-rollout-commands"], ["get", "patch"]),
    ]


def test_the_controller_is_called_as_its_code_wants(chart):
    controller = pytest.importorskip("coterie.cluster.__main__")
    (pod,) = (p for p in pods(chart.objects(CI["gpu"])) if p.component == "controller")
    (container,) = pod.containers
    assert container["args"][:3] == ["python", "-m", "coterie.cluster"]
    given = controller.options(container["args"][3:])
    assert (given.namespace, given.service) == ("shop", "coterie")
    assert given.port == pod.ports["http"]


def test_prometheus_comes_often_enough_for_rollouts(chart):
    """coterie.rollout takes heartbeats older than 15 s for no data."""
    for o in chart.objects(CI["gpu"]):
        for endpoint in (
            o["spec"].get("podMetricsEndpoints", o["spec"].get("endpoints", ()))
            if o["kind"].endswith("Monitor")
            else ()
        ):
            assert int(endpoint["interval"].removesuffix("s")) <= 5


def test_the_controllers_rollout_store_is_where_its_code_looks(chart):
    rollout_store = pytest.importorskip("coterie.cluster.store")
    upgrade = pytest.importorskip("coterie.cluster.upgrade")
    found = rollout_store.ClusterRolloutStore(cluster=None, name="coterie", holder="test")
    names = {found._state, found._commands, upgrade._config_map("coterie")}
    rules = one(chart.objects(CI["gpu"]), "Role", "coterie-controller")["rules"]
    (granted,) = (rule["resourceNames"] for rule in rules if rule["resources"] == ["configmaps"])
    assert set(granted) == names


def test_selectors_match_labels(example):
    all_pods = pods(example)
    for o in example:
        selector = o.get("spec", {}).get("selector") or o.get("spec", {}).get("podSelector")
        if o["kind"] in {"Deployment", "StatefulSet"}:
            selector = o["spec"]["selector"]["matchLabels"]
            own = o["spec"]["template"]["metadata"]["labels"]
            assert selector.items() <= own.items(), o["metadata"]["name"]
        elif o["kind"] == "Service":
            assert [p for p in all_pods if selector.items() <= p.labels.items()], o["metadata"]
        elif o["kind"] in {"PodDisruptionBudget", "PodMonitor"}:
            assert [p for p in all_pods if selects(selector, p)], o["metadata"]["name"]


def test_services_lead_to_ports_that_pods_have(example):
    for service in (o for o in example if o["kind"] == "Service"):
        selector = service["spec"]["selector"].items()
        (pod,) = (p for p in pods(example) if selector <= p.labels.items())
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in pod.ports, service["metadata"]["name"]


def test_monitors_name_ports_that_pods_have(chart):
    objects = chart.objects(CI["gpu"])
    for name in ("coterie-ray", "coterie-consumer"):
        monitored = one(objects, "PodMonitor", name)["spec"]
        found = [pod for pod in pods(objects) if selects(monitored["selector"], pod)]
        ports = {port for pod in found for port in pod.ports}
        assert {e["port"] for e in monitored["podMetricsEndpoints"]} <= ports
    service = one(objects, "Service", "coterie-controller")
    selector = one(objects, "ServiceMonitor", "coterie-controller")["spec"]["selector"]
    assert selector["matchLabels"].items() <= service["metadata"]["labels"].items()


def test_probes_name_ports_of_their_container(example):
    for where, container in containers(example):
        own = {port["name"] for port in container.get("ports", ())}
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            port = container.get(probe, {}).get("httpGet", {}).get("port")
            assert port in {None, RAYS_AGENT} | own, f"{where}: {probe}"


def test_mounts_have_volumes_and_volumes_exist(example):
    there = {(o["kind"], o["metadata"]["name"]) for o in example}
    for pod in pods(example):
        volumes = {v["name"]: v for v in pod.spec.get("volumes", ())}
        claims = {"data"} if pod.component == "redis" else set()
        for container in pod.containers:
            mounted = {m["name"] for m in container.get("volumeMounts", ())}
            assert mounted <= set(volumes) | claims, pod.owner
        for volume in volumes.values():
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there, pod.owner


@pytest.mark.parametrize("values", sorted(CI))
def test_secrets_are_made_here_or_named_in_the_notes(chart, values):
    objects = chart.objects(CI[values])
    made = {o["metadata"]["name"] for o in objects if o["kind"] == "Secret"}
    used = set(re.findall(r"'?secretKeyRef'?: \{'name': '([^']+)'", str(objects)))
    used |= set(re.findall(r"'secretRef': \{'name': '([^']+)'", str(objects)))
    used |= set(re.findall(r"'secretName': '([^']+)'", str(objects)))
    used |= {s["name"] for pod in pods(objects) for s in pod.spec.get("imagePullSecrets", ())}
    notes = chart.run(
        "install", "coterie", str(chart.folder), "--namespace", "shop", "--dry-run=client",
        "--values", str(CI[values]),
    ).partition("NOTES:")[2]  # fmt: skip
    assert used
    for name in used:
        assert f"  {name}: " in notes, f"{name} is not named in NOTES.txt"
        assert (name in made) != (
            f"{name}: " in notes and "(yours)" in notes.split(f"  {name}: ")[1].split("\n")[0]
        )


def test_every_key_of_a_config_map_that_is_asked_for_is_there(example):
    for pod in pods(example):
        for container in pod.containers:
            variables(container, example)  # asserts that each config map is there


def test_there_is_room_for_all_replicas(chart):
    """Ray takes a pod's CPUs from its limit; an EventSink needs a place beside the replicas."""
    for values in ("gpu", "production"):
        objects = chart.objects(CI[values])
        found = deployments(objects)
        group = one(objects, "RayService", "coterie")["spec"]["rayClusterConfig"][
            "workerGroupSpecs"
        ][0]
        cpus = amount(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
        api = found["Api"]["ray_actor_options"]["num_cpus"]
        sink = found["EventSink"]["ray_actor_options"]["num_cpus"]
        for replicas, workers in (("min_replicas", "minReplicas"), ("max_replicas", "maxReplicas")):
            count = found["Api"]["autoscaling_config"][replicas]
            # The sink's pod has so many CPUs less.
            places = group[workers] * (cpus // api) - (cpus // api - (cpus - sink) // api)
            assert places >= count, f"{values}: {count} replicas, but {places} places"


def test_the_head_takes_no_requests(chart):
    service = one(chart.objects(CI["gpu"]), "RayService", "coterie")["spec"]
    assert service["excludeHeadPodFromServeSvc"] is True
    assert service["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for deployment in deployments(chart.objects(CI["gpu"])).values():
        assert deployment["ray_actor_options"]["num_cpus"] > 0, "it could land on the head"


def test_a_pod_has_time_to_drain(example):
    for pod in pods(example):
        for container in pod.containers:
            command = (
                container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
            )
            if command:
                seconds = float(command[command.index("--seconds") + 1])
                assert pod.spec["terminationGracePeriodSeconds"] > seconds + 5, pod.owner


def test_names_fit_where_kuberay_adds_to_them(chart):
    long = "a-release-with-a-very-long-name-of-53-characters-more"
    text = chart.run("template", long, str(chart.folder), "--values", str(CI["gpu"]), *SECRETS)
    from chart import parse

    for o in parse(text):
        assert len(o["metadata"]["name"]) <= 63, named([o])
    service = next(o for o in parse(text) if o["kind"] == "RayService")
    # KubeRay cuts the names of what it makes at 50 characters, from the front.
    assert len(service["metadata"]["name"] + "-serve-svc") <= 50


def test_containers_keep_the_entry_point_that_passes_signals_on(example):
    """Python as the first process of a container would not hear that it is to stop."""
    for where, container in containers(example):
        if "coterie-" in container["image"] and not container["name"].startswith("ray-"):
            assert "command" not in container, where
            assert container["args"], where


@pytest.mark.parametrize("name", ["controller", "consumer"])
def test_a_slow_start_is_no_reason_to_kill(example, name):
    """Half a CPU, a full node, a cold disk."""
    [container] = [c for _, c in containers(example) if c.get("name") == name]
    start, life = container["startupProbe"], container["livenessProbe"]
    assert start["httpGet"] == life["httpGet"]
    assert start["periodSeconds"] * start["failureThreshold"] >= 120
    assert start["periodSeconds"] <= 5, "or each start is as slow as its probe"
    assert life["timeoutSeconds"] >= 5, "a busy second is no death"
