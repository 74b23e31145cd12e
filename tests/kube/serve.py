"""What KubeRay does with ``serveConfigV2``, and what it tells of Serve."""

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
        app = self.turn(service["spec"]["serveConfigV2"])
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
            return {"status": "NOT_STARTED", "message": "", "serveDeploymentStatuses": {}}
        why = self.breaks(user_config(self.handed_over)) if self.left == 0 else ""
        states = ("DEPLOYING", "UPDATING") if self.left else ("RUNNING", "HEALTHY")
        if why:
            states = ("DEPLOY_FAILED", "UNHEALTHY")
        deployments = {"Api": {"status": states[1], "message": why}}
        return {"status": states[0], "message": why, "serveDeploymentStatuses": deployments}


def user_config(text):
    (app,) = [a for a in yaml.safe_load(text)["applications"] if a["name"] == "coterie"]
    (api,) = [d for d in app["deployments"] if d["name"] == "Api"]
    return api["user_config"]
