"""Ray Serve's own switches, which it reads from the environment."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from serving.launch.request_ids import CALLBACK
from serving.settings import PREFIX, Settings

_ENABLED: Final = "RAY_SERVE_ENABLE_HA_PROXY"
_PROGRAM: Final = "RAY_SERVE_HAPROXY_BINARY_PATH"


def prepare_ray(settings: Settings, launcher: Path, ports: Mapping[str, str]) -> None:
    """Put Ray Serve's own switches into the environment; has to come before ray is imported.

    Args:
        settings: Of the app.
        launcher: Program to start in the place of HAProxy.
        ports: What Ray Serve listens on besides the app's port, by variable.
    """
    folder = launcher.parent
    # Replicas read them again; Ray's processes hand the environment on.
    os.environ.update(settings.as_environment())
    # One request at a time a process: more threads only take turns on the same cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    path = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))
    os.environ["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    switches = {
        **ports,
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        _ENABLED: "1" if settings.haproxy else "0",
        "RAY_SERVE_HAPROXY_NBTHREAD": "2",
        _PROGRAM: str(launcher),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "10",
        # Its access log holds paths, so people's ids: nobody listens there.
        "RAY_SERVE_HAPROXY_LOG_TARGET": str(folder / "nobody.sock"),
        # In Ray's five seconds a proxy on a busy machine may not have started: it would be killed.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_HAPROXY_STARTUP_TIMEOUT_S": "120",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": f"{settings.drain_s:g}",
        # Ray's default buckets are too coarse for a p99 of milliseconds.
        "RAY_SERVE_REQUEST_LATENCY_BUCKETS_MS": "1,2,3,5,7,10,15,20,30,50,75,100,200,500,1000,5000",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": CALLBACK,
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray would give all other programs of the machine precedence over our replicas.
        "RAY_worker_niceness": "0",
        # Without a token of our own, Ray would write one into the user's home folder.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    for name, value in switches.items():
        os.environ.setdefault(name, value)
    if os.environ[_ENABLED] == "1" and os.environ[_PROGRAM] == str(launcher):
        # Of whom it adds who asked it: with nobody before it, the last of X-Forwarded-For is true.
        os.environ[f"{PREFIX}PROXIES"] = str(settings.proxies + 1)
