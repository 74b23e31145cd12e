"""What Ray Serve is told to run: the same words here and in a RayService."""

from typing import Any, Final

from coterie.errors import UnavailableError
from coterie.rollout.live import Live

APP: Final = "coterie"
API: Final = "Api"
SINK: Final = "EventSink"
CONTROLLER: Final = "RolloutController"


def serve_config(live: Live) -> dict[str, Any]:
    """Describe the application as Ray Serve and ``RayService.spec.serveConfigV2`` take it."""
    told = {"user_config": live.as_json()}
    application = {
        "name": APP,
        "route_prefix": "/",
        "import_path": "serving.deployments:build",
        "deployments": [{"name": name, **told} for name in (API, SINK)],
    }
    return {"applications": [application]}


def deploy(live: Live) -> None:
    """Have Ray Serve run the app with this ``user_config``; replicas go on as they are.

    Raises:
        UnavailableError: It did not take it.
    """
    # serve.run would restart the replicas; the config that a RayService takes does not.
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    try:
        _get_global_client().deploy_apps(ServeDeploySchema(**serve_config(live)))
    except Exception as error:  # whatever Ray raises
        raise UnavailableError(f"Ray Serve did not take a new configuration: {error}") from error
