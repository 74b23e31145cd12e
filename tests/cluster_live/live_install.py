"""The install that steps share: brought into the state that each needs, whatever was before."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import live_pods as manifests
import yaml
from live_cluster import RELEASE, Cluster, CommandError
from live_load import run_program
from live_settings import ROOT, Settings

CHART = ROOT / "helm/coterie"
VALUES = Path(__file__).parent / "values.yaml"
PROMETHEUS = "http://prometheus-operated.monitoring.svc:9090"
RELEASES = (RELEASE, "second")
"""Names under which the suite installs the chart."""
OF_SUITE = f"app.kubernetes.io/instance in ({', '.join(RELEASES)})"
KEPT = "secret,configmap,persistentvolumeclaim"
"""Kinds of what an uninstall leaves."""
SERVED_S = 1800.0
"""So long a first Ray cluster may take on one slow node."""


@dataclass(frozen=True)
class Release:
    """A release in the store."""

    version: str
    digest: str
    folder: str
    shoppers: tuple[str, ...] = ()
    """Who knows somebody."""

    @property
    def values(self) -> dict[str, Any]:
        """What the chart is told to serve it."""
        return {"folder": self.folder, "digest": self.digest}


@dataclass
class Install:
    """One install of the chart in a namespace."""

    cluster: Cluster
    settings: Settings
    instance: str = RELEASE
    chart: Path = CHART
    more: dict[str, Any] = field(default_factory=dict)
    """Values of this install besides those of the suite."""
    patience: str = "15m"
    """So long helm waits for what it waits for."""
    made: dict[str, Release] = field(default_factory=dict)
    """Releases by what steps use them for."""
    given_up: dict[str, str] = field(default_factory=dict)
    """What failed twice: steps that need it fail at once, instead of waiting for it again."""

    @property
    def store(self) -> str:
        """The URL of the releases."""
        return f"{self.settings.prefix}/releases"

    @contextmanager
    def beside(self, mark: str, **changes: Any) -> Iterator["Install"]:
        """An install in a namespace of its own, which goes when the context ends."""
        settings = replace(self.settings, namespace=f"{self.settings.namespace}-{mark}", ours=True)
        cluster = replace(self.cluster, namespace=settings.namespace)
        fresh: dict[str, Any] = {"made": {}, "given_up": {}, "more": {}, **changes}
        try:
            prepare(cluster, settings)
            yield replace(self, cluster=cluster, settings=settings, **fresh)
        finally:
            if not settings.keep and not cluster.is_fake:
                clean_up(cluster, settings, [self.instance])

    def values(self) -> dict[str, Any]:
        """Values over those of values.yaml."""
        prometheus = self.prometheus()
        found: dict[str, Any] = {
            "images": self.settings.images,
            "release": {"store": self.store},
            "s3": {
                "endpoint": manifests.endpoint(self.settings),
                "existingSecret": manifests.S3_SECRET,
            },
            "training": {"source": f"{self.settings.prefix}/shop"},
            "pipelines": {"upload": self.kubeflow()},
        }
        if prometheus:
            host = urlsplit(prometheus)
            space = (host.hostname or "").split(".")[1:2] or ["monitoring"]
            found["rollouts"] = {"prometheusUrl": prometheus}
            found["networkPolicy"] = {
                "monitoringNamespace": space[0],
                "prometheusPort": host.port or 80,
            }
        name, equals, value = self.settings.prometheus_label.partition("=")
        if equals:
            found["monitoring"] = {"labels": {name: value}}
        return merged(found, self.more)

    def prometheus(self) -> str:
        """Address of a Prometheus; empty where there is none."""
        if self.settings.prometheus:
            return self.settings.prometheus
        there = Cluster("monitoring", self.cluster.environment)
        return PROMETHEUS if there.find("service", "prometheus-operated") else ""

    def kubeflow(self) -> bool:
        """Whether Kubeflow Pipelines is there, and runs its steps in our namespace."""
        there = Cluster(self.settings.kubeflow, self.cluster.environment)
        return self.settings.namespace == self.settings.kubeflow and bool(
            there.find("service", "ml-pipeline")
        )

    def upgrade(
        self, changes: Mapping[str, Any] | None = None, *options: str, check: bool = True
    ) -> str:
        """``helm upgrade --install`` with the suite's values and ``changes``, which stay.

        Without --force-conflicts: a person does not know that it would be needed.
        """
        wanted = merged(self.more, dict(changes or {}))
        if check:
            self.more = wanted
            values = self.values()
        else:
            values = merged(self.values(), wanted)
        files = ["--values", str(VALUES)]
        files += ["--values", self.settings.values] if self.settings.values else []
        return self.cluster.helm(
            "upgrade", self.instance, str(self.chart), "--install", f"--timeout={self.patience}",
            *files, "--set-json", json.dumps(values), *options, check=check,
        )  # fmt: skip

    def status(self) -> str:
        """What helm says of the install: deployed, failed, ...; empty where there is none."""
        text = self.cluster.helm("status", self.instance, "--output=json", check=False)
        return str(json.loads(text)["info"]["status"]) if text.startswith("{") else ""

    def serve(self, release: Release, force: bool = False) -> float:
        """Tell the chart to serve a release, and wait until it is; seconds that it took."""
        began = self.cluster.now()
        self.upgrade({"release": {**release.values, "force": force}})
        self.wait_served(release.digest)
        return self.cluster.now() - began

    def wait_served(self, digest: str = "", seconds: float = SERVED_S) -> float:
        """Wait until the RayService is Ready, with a release."""

        def there() -> bool:
            stable = self.cluster.stable(self.instance)
            return self.cluster.serves(self.instance) and digest in ("", stable)

        return self.cluster.wait(there, seconds, "a list can be asked for", 3, self.seen)

    def ensure_installed(self) -> None:
        """Bring the chart in, where it is not, or where the last upgrade of it failed."""
        if self.status() != "deployed":
            self.repair()

    def repair(self) -> None:
        """Upgrade, whatever the last step left: here alone may conflicts be forced."""
        try:
            self.upgrade()
        except CommandError as error:
            if "conflict" not in str(error):
                raise
            self.upgrade({}, "--force-conflicts")

    def ensure_served(self, release: Release) -> None:
        """Bring the install into its usual state: ``release`` stable, no rollout, all workers."""
        state = self.cluster.served(self.instance)
        usual = (
            self.status() == "deployed"
            and (state.get("stable") or {}).get("digest") == release.digest
            and state.get("canary") is None
            and self.cluster.serves(self.instance)
        )
        if not usual:
            with self.at_most_twice("serving a release"):
                self.more = merged(self.more, {"release": {**release.values, "force": bool(state)}})
                self.repair()
                self.wait_served(release.digest)
                # It belongs to one upgrade: left in the values, each later one would insist again.
                self.more["release"]["force"] = False
                self.repair()
        wanted = self.workers()
        self.cluster.wait(
            lambda: (
                len(self.cluster.ready("worker", self.instance)) >= wanted
                and len(self.cluster.ray_clusters(self.instance)) == 1
            ),
            900,
            f"{wanted} workers of one Ray cluster are Ready",
            3,
            self.seen,
        )

    def workers(self) -> int:
        """Fewest workers that the values ask for."""
        given = yaml.safe_load(VALUES.read_text())
        if self.settings.values:
            given = merged(given, yaml.safe_load(Path(self.settings.values).read_text()))
        return int(merged(given, self.more)["serving"]["workers"]["min"])

    def make_release(self, version: str, **arguments: Any) -> tuple[Release, float]:
        """Run the pipeline's steps in a pod, and return what it made, with the seconds."""
        base = self.settings.prefix
        given = {
            "source": f"{base}/shop",
            "version": version,
            "release_store": self.store,
            "status": f"{base}/status",
            "settings": json.dumps({"loop.max_epochs": 3, "embedding_size": 16}),
            "min_gain": -1,
            "baselines": "popularity",
            "workers": 0,
            # Where the chart's values put it: beside the releases.
            "offline": f"{base}/features",
            **arguments,
        }
        shop = ["--users", "400", "--items", "200", "--events", "12000"]
        made = manifests.pod(
            f"make-{version}",
            self.settings.train_image,
            ["make_release.py", json.dumps({"arguments": given, "shop": shop})],
            labels=manifests.STEP,
            cpu="2",
            memory="3Gi",
        )
        manifests.as_step(made, self.instance)
        line, seconds = run_program(self.cluster, manifests.with_store(made, self.settings), 3000)
        said = json.loads(line)
        folder = f"{self.store}/{version}"
        return Release(version, said["digest"], folder, tuple(said["shoppers"])), seconds

    def release_for(self, what: str, **arguments: Any) -> Release:
        """The release that steps use for something, made when the first of them asks."""
        if what not in self.made:
            with self.at_most_twice(f"making the {what} release"):
                version = f"{what}-{int(time.time())}"
                self.made[what], _ = self.make_release(version, **arguments)
        return self.made[what]

    @contextmanager
    def at_most_twice(self, what: str) -> Iterator[None]:
        """Remember what failed, and refuse it the third time."""
        why = self.given_up.get(what, "")
        if why.startswith("twice"):
            raise CommandError(f"{what} failed {why}")
        try:
            yield
        except AssertionError as error:
            self.given_up[what] = f"{'twice' if why else 'once'}: {str(error)[:500]}"
            raise
        self.given_up.pop(what, None)

    def publish_faulty_release(self, source: Release, version: str) -> Release:
        """Publish a release that is bad in a way that no checksum shows."""
        made = manifests.pod(
            f"faulty-release-{version}",
            self.settings.image,
            ["publish_faulty_release.py", source.folder, version, self.store],
            memory="1Gi",
        )
        line, _ = run_program(self.cluster, manifests.with_store(made, self.settings), 600)
        said = json.loads(line)
        return Release(version, said["digest"], f"{self.store}/{version}", source.shoppers)

    def seen(self) -> str:
        """What is there, for whoever reads why a step failed."""
        parts = (
            ("get", "pods", "--output=wide"),
            ("get", "rayservice", self.instance, "--output=jsonpath={.status}"),
            ("get", "events", "--sort-by=.lastTimestamp", "--field-selector=type=Warning"),
        )
        texts = [self.cluster.kubectl(*part, check=False) for part in parts]
        return "\n" + "\n".join(text[-3000:] for text in texts)

    def uninstall(self) -> float:
        """Remove the install, and return the seconds that it took."""
        began = self.cluster.now()
        self.cluster.helm("uninstall", self.instance, "--wait", f"--timeout={self.patience}")
        return self.cluster.now() - began


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two sets of values, as helm merges them.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    """
    found = dict(below)
    for name, value in above.items():
        both = isinstance(value, Mapping) and isinstance(found.get(name), Mapping)
        found[name] = merged(found[name], value) if both else value
    return found


def refuse_others(cluster: Cluster, settings: Settings) -> None:
    """Refuse a namespace with an install of the suite's names that the suite did not make.

    Raises:
        CommandError: It would be upgraded over, and be gone at the end with what it keeps.
    """
    if settings.ours or cluster.find("configmap", manifests.PROGRAMS_MAP):
        return
    found = cluster.objects(KEPT, OF_SUITE)
    if found:
        names = ", ".join(f"{one['kind']} {one['metadata']['name']}" for one in found[:3])
        raise CommandError(
            f"namespace {cluster.namespace} holds an install that is not the suite's ({names}): "
            "let COTERIE_NAMESPACE name another one"
        )


def prepare(cluster: Cluster, settings: Settings) -> None:
    """Make what the install stands on: the namespace, the keys, the programs, the relay, the
    bucket."""
    if settings.ours:
        cluster.apply(manifests.namespace(cluster.namespace))
    cluster.apply(manifests.programs(), manifests.s3_secret(settings))
    if settings.through_relay:
        cluster.apply(*manifests.relay(settings))
        cluster.kubectl("rollout", "status", f"deployment/{manifests.RELAY}", "--timeout=10m")
    if not cluster.is_fake:
        # The first install registers features there. Wrong keys or addresses are told here, too.
        made = manifests.pod("make-bucket", settings.image, ["make_bucket.py", settings.bucket])
        run_program(cluster, manifests.with_store(made, settings), 900)


def clean_up(cluster: Cluster, settings: Settings, releases: Sequence[str] = RELEASES) -> None:
    """Remove everything, whatever has failed before."""
    for name in releases:
        cluster.helm("uninstall", name, "--wait", "--timeout=5m", check=False)
    pod = manifests.pod("clean-up", settings.image, ["remove.py", settings.prefix], seconds=300)
    try:
        run_program(cluster, manifests.with_store(pod, settings), 300)
    except (CommandError, AssertionError) as error:
        print(f"{settings.prefix} was left: {error}")
    marked = "app.kubernetes.io/part-of=coterie-live"
    cluster.kubectl(
        "delete", "deployment,service,pod,secret,configmap", "--selector", marked, check=False
    )
    if not settings.ours:
        # An uninstall leaves it, and refuse_others saw that it is nobody else's.
        cluster.kubectl("delete", KEPT, "--selector", OF_SUITE, check=False)
    if settings.ours:
        cluster.kubectl(
            "delete", "namespace", cluster.namespace, "--timeout=10m", "--ignore-not-found",
            check=False,
        )  # fmt: skip
