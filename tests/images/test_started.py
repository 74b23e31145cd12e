"""What the images' commands do, started as Kubernetes starts them.

Needs root file systems that ``images/rehearse.py`` made, root, and runc. The user is the images',
the root file system is read-only, there are no capabilities, no new privileges, no network.
"""

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rootfs import ROOT, Started, containers

from chart import CI, Chart, serve_config  # isort: skip
from containers import Image, Mount, finished, restricted, wait  # isort: skip
from tools import NoHelmError, helm  # isort: skip

FOLDER = os.environ.get("COTERIE_ROOTFS", "")
MISSING = (
    "set COTERIE_ROOTFS to the folder that images/rehearse.py wrote"
    if not FOLDER
    else "needs root"
    if os.geteuid()
    else ""
    if shutil.which("runc")
    else "no runc: apt install runc"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]
WRITABLE = [Mount("/tmp"), Mount("/home/coterie"), Mount("/var/lib/coterie")]
MAKE = """
coterie simulate --out /mnt/shop/raw --users 600 --items 400 --events 40000
python -m pipelines.local --root /mnt/shop/run source=/mnt/shop/raw baselines=popularity \
  workers=0 version=v1 release_store=/mnt/shop/releases status=/mnt/shop/status
"""


@pytest.fixture(scope="module")
def images():
    return {name: Image.load(Path(FOLDER, f"{name}.json")) for name in ("train", "serve")}


@pytest.fixture(scope="module")
def shop(images, tmp_path_factory):
    """A release and a feature store, made by the image for training."""
    folder = tmp_path_factory.mktemp("shop")
    folder.chmod(0o777)
    mounts = [*WRITABLE, Mount("/mnt/shop", str(folder))]
    train = images["train"]
    status, said = finished(train, [*train.entrypoint, "sh", "-ec", MAKE], {}, mounts, 900)
    assert status == 0, said
    return folder


@pytest.fixture(scope="module")
def objects():
    try:
        return Chart(helm()).objects(CI["gpu"])
    except NoHelmError as error:
        pytest.skip(f"no helm: {error}")


@pytest.fixture(scope="module")
def started(objects, tmp_path_factory):
    """All containers of the chart that run in our images."""
    found = containers(objects, tmp_path_factory.mktemp("config-maps"))
    return {one.name: one for one in found}


def run(images, one: Started, seconds=240):
    image = images[one.image]
    return finished(image, [*image.entrypoint, *one.args], one.env, one.mounts, seconds)


def served(shop):
    """What a stand-alone app is told, with paths as the container has them."""
    outputs = json.loads((shop / "run" / "result.json").read_text())
    return {"COTERIE_RELEASE": "/mnt/shop/releases/v1", "COTERIE_FEATURES": outputs["store"]}


COMPILED = """
import argparse, json, os, coterie.errors, prometheus_client, torch
for module in (argparse, json, coterie.errors, prometheus_client, torch):
    flags = int.from_bytes(open(module.__cached__, "rb").read(8)[4:], "little")
    print(module.__name__, flags)
"""


@pytest.mark.parametrize("name", ["train", "serve"])
def test_modules_are_compiled_whatever_their_times(images, name):
    image = images[name]
    status, said = finished(image, [*image.entrypoint, "python", "-c", COMPILED], {}, WRITABLE)
    assert status == 0, said
    assert {line.split()[-1] for line in said.splitlines()} == {"1"}, "1: hash, not checked"


@pytest.mark.parametrize("name", ["train", "serve"])
def test_no_compiler_and_nothing_of_the_build_is_left(images, name):
    root = Path(images[name].root)
    tools = ("gcc", "cc", "g++", "c++", "cpp", "as", "ld", "make")
    assert [tool for tool in tools if (root / "usr/bin" / tool).exists()] == []
    # What was fetched to install from: the folder is there to mount into, and no more.
    for folder in ("wheels", "wheel", "build", "tmp", "var/lib/apt/lists"):
        assert not (root / folder).exists() or not any((root / folder).iterdir()), folder
    assert {path.lstat().st_uid for path in (root / "home/coterie").rglob("*")} == {10001}


def test_the_serve_image_answers_and_ends_when_told(images, shop):
    serve = images["serve"]
    scripts = Mount("/etc/coterie/scripts", str(ROOT / "helm/coterie/files"), read_only=True)
    mounts = [*WRITABLE, Mount("/mnt/shop", str(shop)), scripts]
    command = [*serve.entrypoint, *serve.cmd]
    with restricted(serve, command, served(shop), mounts) as container:
        healthy = wait(lambda: container.run(serve.health).returncode == 0, 180)
        asked = container.run(
            ["python", "/etc/coterie/scripts/ask.py", "http://127.0.0.1:8000"], 120
        )
        status, said = container.end()
    assert healthy, said
    assert asked.returncode == 0, asked.stdout + asked.stderr + said
    assert "an event was taken, and applied" in asked.stdout
    assert status == 0, said


def test_the_health_of_the_train_image_is_that_it_can_be_imported(images):
    train = images["train"]
    status, said = finished(train, train.health, {}, WRITABLE[:2])
    assert status == 0, said


def test_the_serve_image_without_a_release_says_so(images):
    serve = images["serve"]
    status, said = finished(serve, [*serve.entrypoint, *serve.cmd], {}, WRITABLE)
    assert (status, said) == (
        1,
        "error: no release to serve: set COTERIE_RELEASE, or give --release FOLDER\n",
    )


REFUSALS = {
    "Deployment/coterie-controller/controller": "neither in a pod nor with a kubeconfig",
    "Job/coterie-features-apply/features": "minio.storage.svc",
    "CronJob/coterie-features-materialise/features": "minio.storage.svc",
    "Job/coterie-pipelines-upload/upload": "ml-pipeline.kubeflow.svc",
    "Pod/coterie-test-api/test": "does not answer",
}
"""What each says first, where nothing of a cluster is there."""


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_a_command_of_the_chart_gets_as_far_as_the_network(images, started, name):
    status, said = run(images, started[name])
    assert status == 1, said
    assert REFUSALS[name] in said
    assert "Read-only file system" not in said
    assert "Permission denied" not in said


def test_every_command_of_the_chart_is_started_here(started):
    known = {*REFUSALS, CONSUMER, WAITING, HEAD, "RayService/coterie/ray-worker"}
    assert started.keys() == known


CONSUMER = "Deployment/coterie-consumer/consumer"
WAITING = "RayService/coterie/wait-for-features"
HEAD = "RayService/coterie/ray-head"


def test_the_consumer_lives_without_its_log_and_ends_when_told(images, started):
    one = started[CONSUMER]
    image = images[one.image]
    with restricted(image, [*image.entrypoint, *one.args], one.env, one.mounts) as container:
        page = "http://127.0.0.1:8082"
        alive = wait(lambda: ask(container, f"{page}/healthz").returncode == 0, 120)
        ready = ask(container, f"{page}/readyz").returncode
        status, said = container.end()
    assert alive, said
    assert ready, said
    assert status == 0, said


def ask(container, url):
    return container.run(["wget", "-q", "-T", "5", "-O-", url])


def test_a_worker_waits_for_features(images, started):
    one = started[WAITING]
    soon = replace(one, args=[*one.args, "--seconds", "8"])
    status, said = run(images, soon)
    assert status == 1, said
    assert "did the job that applies features succeed?" in said


def test_features_are_registered_where_there_is_a_store(images, shop, started):
    one = started["Job/coterie-features-apply/features"]
    store = served(shop)["COTERIE_FEATURES"]
    args = [*one.args[:3], f"--folder={store}", f"--offline={store}"]
    mounts = [
        *(mount for mount in one.mounts if mount.target != "/etc/coterie/features"),
        Mount("/mnt/shop", str(shop)),
    ]
    status, said = run(images, replace(one, args=args, mounts=mounts))
    assert status == 0, said
    assert "registered" in said


RAY = (
    "ulimit -n 65536; ray start --head --block --num-cpus=4 --dashboard-host=0.0.0.0 "
    "--dashboard-agent-listen-port=52365 --metrics-export-port=8080 --disable-usage-stats"
)
"""As KubeRay starts a head, but for its processors: no worker comes to help this one."""
HEALTHY = (
    "wget --tries 1 -T 2 -q -O- http://localhost:52365/api/local_raylet_healthz | grep success && "
    "wget --tries 1 -T 10 -q -O- http://localhost:8265/api/gcs_healthz | grep success"
)


def test_ray_starts_as_kuberay_starts_it_and_serves(images, shop, objects, started):
    (shop / "serve.json").write_text(json.dumps(orders(objects, shop)))
    one = started[HEAD]
    told = {**served(shop), "COTERIE_EVENT_LOG": "", "COTERIE_ROLLOUTS": "", "COTERIE_TRACES": ""}
    env = {**one.env, **told, "COTERIE_RELEASES": "/mnt/shop/releases", "RAY_AUTH_MODE": "token"}
    env |= {"RAY_AUTH_TOKEN": "0" * 64, "RAY_ADDRESS": "127.0.0.1:6379", "HOME": "/home/coterie"}
    mounts = [*one.mounts, Mount("/mnt/shop", str(shop)), Mount("/dev/shm")]
    image = images[one.image]
    with restricted(image, ["/bin/bash", "-c", "--", RAY], env, mounts) as container:
        healthy = wait(lambda: container.run(["bash", "-c", HEALTHY]).returncode == 0, 120)
        deployed = container.run(["python", "-c", DEPLOY], 300)
        answers = wait(lambda: container.run(image.health).returncode == 0, 120)
        asked = container.run(
            ["python", "/etc/coterie/scripts/ask.py", "http://127.0.0.1:8000"], 120
        )
        drained = container.run(["python", "/etc/coterie/scripts/drain.py", "--seconds", "1"], 60)
        _, said = container.end(120)
    assert healthy, said
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr + said
    assert answers, said
    assert asked.returncode == 0, asked.stdout + asked.stderr + said
    assert "not drained" not in drained.stderr, drained.stderr


DEPLOY = """
import os, urllib.request
headers = {"Authorization": f"Bearer {os.environ['RAY_AUTH_TOKEN']}",
           "Content-Type": "application/json"}
body = open("/mnt/shop/serve.json", "rb").read()
address = "http://127.0.0.1:8265/api/serve/applications/"
urllib.request.urlopen(urllib.request.Request(address, body, headers, method="PUT"), timeout=60)
"""
"""As KubeRay hands the head its orders."""


def orders(chart_objects, shop):
    """The chart's own, for one replica and this shop's release."""
    manifest = (shop / "releases" / "v1" / "manifest.json").read_bytes()
    stable = {"folder": "/mnt/shop/releases/v1", "digest": hashlib.sha256(manifest).hexdigest()}
    config = serve_config(chart_objects)
    for deployment in config["applications"][0]["deployments"]:
        deployment["user_config"]["stable"] = stable
        if "autoscaling_config" in deployment:
            deployment["autoscaling_config"] |= {"min_replicas": 1, "max_replicas": 1}
    return config
