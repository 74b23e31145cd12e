"""A RayService, releases for it, and shoppers: what the tests of the controller have in common."""

import json

import numpy as np
import pyarrow as pa
import torch
from fake_api import KubeRay

from coterie.cluster.arms import RayServiceArms
from coterie.cluster.served import TEMPLATE, compose, template_of
from coterie.cluster.stated import STATED
from coterie.cluster.store import ClusterRolloutStore
from coterie.release.bundle import ReleaseContent, write_release
from coterie.release.store import ReleaseStore
from coterie.rollout.commands import Command, Verb
from coterie.rollout.controller import Controller
from coterie.rollout.decide import MetricsStatus
from coterie.rollout.live import Live, ReleaseRef
from coterie.rollout.plan import Plan
from coterie.rollout.state import State, Target, Totals
from coterie.schema import ITEMS

OLD_TEXT = """\
# What Ray Serve runs.
applications:
  - name: other
    import_path: other:app
    deployments:
      - {name: Api, user_config: {greeting: yes}}
  - name: coterie
    import_path: serving.app:app
    runtime_env:
      env_vars: {COTERIE_TOPIC: on, COTERIE_CODE: "012"}
    deployments:
      - name: Api
        num_replicas: 2
        user_config: USER_CONFIG  # what is live
        max_ongoing_requests: 32
      - name: EventSink
        user_config:
          USER_CONFIG
        num_replicas: 1
      - {name: Greeter, user_config: {greeting: no}}
"""
"""As an older chart wrote it, what is live among the rest."""
CONFIG = template_of(
    {"metadata": {}, "spec": {"serveConfigV2": OLD_TEXT.replace("USER_CONFIG", "")}}
)
"""As the chart leaves it to the controller."""
PLAN = {
    "weights": (0.1, 0.5),
    "step_s": 10,
    "bake_s": 20,
    "min_samples": 200,
    "deadline_s": 600,
    "signals": {"failures": 1.0},
}


def serve_config(live):
    return compose(CONFIG, live)


def stated(digest, folder, revision=1, force=False):
    """As the chart writes it."""
    return {"folder": folder, "digest": digest, "force": force, "revision": revision}


def release(root, version, fill=1.0, items=("a", "b"), **more):
    """A release in a store; its digest. ``more`` is of its ``ReleaseContent``."""
    rows = [{"item_id": item} for item in items]
    catalogue = pa.Table.from_pylist(rows, schema=ITEMS.arrow)
    content = ReleaseContent(
        version=version,
        parameters={"item_out": torch.full((2, 3), fill)},
        catalogue=catalogue,
        popularity=np.array([2, 1], np.float32),
        metrics={},
        data_fingerprint="abc",
        limits={},
        **more,
    )
    return write_release(f"{root}/{version}", content).digest


def ray_service(statement, live=None, config=CONFIG):
    """As the chart makes it, and the controller after it if anything is live."""
    annotations = {TEMPLATE: json.dumps(config), STATED: json.dumps(statement)}
    text = {"serveConfigV2": compose(config, live)} if live else {}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"annotations": annotations},
        "spec": {"rayClusterConfig": {"rayVersion": "2.60.0"}, **text},
    }


class Shop:
    """Shoppers, and the counters of both arms; time passes with each look at the clock."""

    def __init__(self, api, store, old, new, failures=0.004):
        self.api, self.store, self.old, self.new = api, store, old, new
        self.failures, self.now = failures, 0.0
        self.counted = {}
        # No noise: how often tests look depends on the machine, and chance rolls some back.
        self.expected = {"canary": 0.0, "stable": 0.0}
        self.kuberay = api.kuberay["shop"] = KubeRay()
        live = Live(ReleaseRef(old, f"{store}/v1"))
        api.put("rayservices", "shop", ray_service(stated(old, f"{store}/v1"), live))
        self.kuberay.serving, self.kuberay.handed_over = live.as_json(), serve_config(live)

    @property
    def live(self):
        """What replicas really hold."""
        if self.kuberay.serving is None:
            return Target("")
        return Live.from_json(self.kuberay.serving).target

    def clock(self):
        self.now += 10
        share = 0.3 if self.live.mirrored else self.live.weight
        canary = int(2000 * share) if self.live.canary else 0
        for arm, n, rate in (("canary", canary, self.failures), ("stable", 2000 - canary, 0.004)):
            before = self.counted.get(arm, Totals())
            self.expected[arm] += n * rate
            failures = int(self.expected[arm])
            self.counted[arm] = Totals(before.samples + n, {"failures": failures})
        return self.now

    def totals(self, target):
        return MetricsStatus.OK, dict(self.counted)

    def arms(self, cluster, may_act=lambda: True):
        store = ReleaseStore(self.store)
        return RayServiceArms(cluster, "shop", store, may_act, 15.0, lambda: self.now)

    def controller(self, cluster, holder="me", arms=None, may_act=lambda: True):
        rollout_store = ClusterRolloutStore(cluster, "shop", holder)
        arms = arms or self.arms(cluster, may_act)
        return Controller(rollout_store, self, arms, self.clock, may_act)

    def start(self, cluster, **plan):
        rollout_store = ClusterRolloutStore(cluster, "shop")
        rollout_store.write(State(stable=self.old), 0)
        rollout_store.command(
            Command("c1", Verb.START, "ana", "better", self.new, Plan.of({**PLAN, **plan}))
        )
