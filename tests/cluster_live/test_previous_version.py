"""From the chart of before to this one, with what it held."""

import io
import re
import subprocess
import tarfile
import time

import pytest
from live_cluster import RELEASE, CommandError
from live_load import load
from live_settings import ROOT, images
from test_faults import accepts_events

OLDEST = "c52ff24"
"""The last commit before field ownership was divided; there was no tag then."""


def previous(given):
    """The reference that was asked for, or the last tag, or the oldest that we promise."""
    if given:
        return given
    command = ["git", "describe", "--tags", "--abbrev=0", "HEAD^"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else OLDEST


def chart_of(reference, folder):
    """The chart as it was."""
    command = ["git", "archive", reference, "helm/coterie"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no chart of {reference} (COTERIE_FROM): {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder / "helm/coterie"


@pytest.fixture
def old(install, settings, tmp_path):
    """The chart of before, alone: one node holds one install and its successor."""
    if install.status():
        install.uninstall()
    chart = chart_of(previous(settings.previous), tmp_path)
    more = {"images": images(settings.previous_image)} if settings.previous_image else {}
    with install.beside("3", chart=chart, more=more) as found:
        yield found


def upgrade_over(old):
    """Upgrade, and return whether it had to be forced: docs/operations-upgrade.md says of what."""
    said = ""
    try:
        # Who asks has no key yet: docs/operations-upgrade.md opens what was open until they do.
        old.upgrade({"serving": {"access": {"openScopes": ["lists:read", "events:write"]}}})
    except CommandError as error:
        said = str(error)
    if not said:
        return False
    fields = set(re.findall(r"\.spec\.[\w.]+", said.rpartition("Error:")[2]))
    assert fields, said
    assert fields <= {".spec.rayClusterConfig.workerGroupSpecs", ".spec.serveConfigV2"}, said
    old.upgrade({}, "--force-conflicts")
    return True


@pytest.mark.fake
@pytest.mark.timeout(7200)
def test_an_upgrade_from_the_version_before_keeps_its_data(old, settings, saw):
    cluster = old.cluster
    # That version's controllers are Ready only once something is served: no --wait.
    old.upgrade({"pipelines": {"upload": False}})
    release, _ = old.make_release(f"old-{int(time.time())}")
    old.serve(release)
    if not cluster.is_fake:
        accepts_events(old, release)
    kept = {
        kind: cluster.get(kind, name)["metadata"]["uid"]
        for kind, name in {
            "pvc": f"data-{RELEASE}-redis-0",
            "secret": f"{RELEASE}-redis",
            "configmap": f"{RELEASE}-rollout",
        }.items()
    }
    password = cluster.get("secret", f"{RELEASE}-redis")["data"]
    old.chart = ROOT / "helm/coterie"
    old.more.pop("images", None)
    with load(cluster, settings, 2400, release.shoppers) as sent:
        began = cluster.now()
        forced = upgrade_over(old)
        took = cluster.now() - began
        cluster.pause(60)
        old.wait_served(release.digest)
    saw(seconds=round(took), forced=forced, **sent.figures)
    assert cluster.get("secret", f"{RELEASE}-redis")["data"] == password
    for kind, uid in kept.items():
        name = f"data-{RELEASE}-redis-0" if kind == "pvc" else f"{RELEASE}-redis"
        name = f"{RELEASE}-rollout" if kind == "configmap" else name
        assert cluster.get(kind, name)["metadata"]["uid"] == uid, f"{kind} is another one"
    if not cluster.is_fake:
        accepts_events(old, release)
