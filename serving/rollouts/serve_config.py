"""What Ray Serve is told to run: the same words here and in a RayService."""

from typing import Any, Final

from coterie.errors import UnavailableError
from coterie.rollout.live import Live

APP: Final = "coterie"
API: Final = "Api"
SINK: Final = "EventSink"
CONTROLLER: Final = "RolloutController"


def sink_names(count: int) -> list[str]:
    """Name the deployments that write events, each one process.

    >>> sink_names(3)
    ['EventSink', 'EventSink1', 'EventSink2']
    """
    return [SINK, *(f"{SINK}{number}" for number in range(1, count))]


def serve_config(live: Live, sinks: int = 1) -> dict[str, Any]:
    """Describe the application as Ray Serve and ``RayService.spec.serveConfigV2`` take it.

    Args:
        live: What replicas are told.
        sinks: How many processes write events.
    """
    told = {"user_config": live.as_json()}
    application = {
        "name": APP,
        "route_prefix": "/",
        "import_path": "serving.deployments:build",
        "deployments": [{"name": name, **told} for name in (API, *sink_names(sinks))],
    }
    return {"applications": [application]}


def deploy(live: Live, sinks: int) -> None:
    """Have Ray Serve run the app with this ``user_config``; replicas go on as they are.

    Raises:
        UnavailableError: It did not take it.
    """
    # serve.run would restart the replicas; the config that a RayService takes does not.
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    try:
        _get_global_client().deploy_apps(ServeDeploySchema(**serve_config(live, sinks)))
    except Exception as error:  # whatever Ray raises
        raise UnavailableError(f"Ray Serve did not take a new configuration: {error}") from error
