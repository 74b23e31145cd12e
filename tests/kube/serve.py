"""What KubeRay does with ``serveConfigV2``, and what it tells of Serve."""

import json
import math
from collections.abc import Callable

import yaml


class KubeRay:
    """One round each time somebody looks, so that tests need not wait.

    As KubeRay 1.7: Serve's status is asked for before a changed configuration is handed over, so
    the first round after a change tells of the old one under the new generation.
    """

    def __init__(self, loading_rounds=1):
        self.loading_rounds = loading_rounds
        self.serving: dict | None = None
        """The ``user_config`` that replicas really hold."""
        self.handed_over = ""
        self.left = 0
        self.breaks: Callable[[dict], str] = lambda user_config: ""
        """Why replicas cannot hold a configuration."""
        self.paused = False

    def round(self, service, bump):
        if self.paused:
            return
        app = self.turn(service["spec"].get("serveConfigV2", ""))
        status = {
            "observedGeneration": service["metadata"]["generation"],
            "conditions": [{"type": "Ready", "status": "True"}],
            "activeServiceStatus": {
                "rayClusterName": "shop-raycluster-abcde",
                "applicationStatuses": {"coterie": app},
            },
        }
        if service.get("status") != status:
            service["status"] = status
            bump(service)

    def turn(self, text):
        """Look, then hand over: what Serve says of the application that is ours."""
        app = self._app()
        if not text:
            return app  # Serve refuses what names no applications, and goes on
        if text != self.handed_over:
            self.handed_over, self.left = text, self.loading_rounds + 1
        elif self.left > 0:
            self.left -= 1
        if self.left == 0 and not self.breaks(user_config(text)):
            self.serving = user_config(text)
        return app

    def _app(self):
        """What Serve says before the configuration of this round is handed over."""
        if not self.handed_over:
            return told("NOT_STARTED")
        why = self.breaks(user_config(self.handed_over)) if self.left == 0 else ""
        if why:
            return told("DEPLOY_FAILED", why)
        return told("DEPLOYING" if self.left else "RUNNING")


class Serving:
    """Serve in a cluster whose pods start and go, by the clock."""

    def __init__(self, load_s, reload_s):
        self.load_s, self.reload_s = load_s, reload_s
        self.handed_over = ""
        self.first_at = self.changed_at = math.inf
        self.breaks: Callable[[dict], str] = lambda user_config: ""

    def hand_over(self, text, now):
        if text and text != self.handed_over:
            self.changed_at = now if self.handed_over else -math.inf
            self.first_at = min(self.first_at, now)
            self.handed_over = text

    def loaded_at(self, joined):
        """When a worker that joined at some time answers."""
        return max(joined, self.first_at) + self.load_s

    def told(self, now, answers):
        """What Serve says, where some worker answers or none does."""
        if not self.handed_over:
            return told("NOT_STARTED")
        if not answers or now < self.changed_at + self.reload_s:
            return told("DEPLOYING")
        why = self.breaks(user_config(self.handed_over))
        return told("DEPLOY_FAILED", why) if why else told("RUNNING")


DEPLOYMENTS = {"DEPLOYING": "UPDATING", "RUNNING": "HEALTHY", "DEPLOY_FAILED": "UNHEALTHY"}
"""What a deployment's state is while its application is in one."""


def told(state, why=""):
    """An application's status."""
    api = {"status": DEPLOYMENTS.get(state), "message": why}
    deployments = {} if state == "NOT_STARTED" else {"Api": api}
    return {"status": state, "message": why, "serveDeploymentStatuses": deployments}


def user_config(text):
    try:
        applications = json.loads(text)["applications"]  # as the controller writes it: much faster
    except ValueError:
        applications = yaml.load(text, yaml.CSafeLoader)["applications"]
    (app,) = [a for a in applications if a["name"] == "coterie"]
    (api,) = [d for d in app["deployments"] if d["name"] == "Api"]
    return api["user_config"]
