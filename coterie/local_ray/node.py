"""Ray's node on one machine, without the processes that watch clusters for people."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import ray
from ray._private import node, ray_constants, services
from ray._private.authentication import authentication_token_setup as tokens

from coterie.local_ray import idle_agent

_RAYLET: Final[Any] = ray._raylet
_WATCHING: Final = ray_constants.PROCESS_TYPE_DASHBOARD_AGENT
_PREPARING: Final = ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT
_PORTS: Final = {
    _WATCHING: {
        _RAYLET.DASHBOARD_AGENT_LISTEN_PORT_NAME: -1,
        _RAYLET.METRICS_AGENT_PORT_NAME: -1,
        _RAYLET.METRICS_EXPORT_PORT_NAME: -1,
    },
    # Ray takes no negative one; nobody asks there.
    _PREPARING: {_RAYLET.RUNTIME_ENV_AGENT_PORT_NAME: 1},
}
"""What Ray waits to hear from each agent: the ports that it listens on, -1 for none."""


class LeanNode(node.Node):  # type: ignore[misc]  # Ray's classes have no types
    """A head node that no person looks at: Ray's dashboard, its agent, its autoscaler and its
    monitor of logs are not there. They took 7 s of a core of each start, and Ray waits for two of
    them. Where workers are forked and ask for none, nothing prepares environments either."""

    worker: ClassVar[Path | None] = None
    """The script that is run as a worker; Ray's own if None."""
    environments: ClassVar[bool] = False
    """Whether workers of such a script may ask for an environment."""

    def __init__(self, ray_params: Any, **how: Any) -> None:
        ray_params.update(no_monitor=True, include_log_monitor=False)
        if self.worker is not None:
            ray_params.update(worker_path=str(self.worker), setup_worker_path=str(self.worker))
        super().__init__(ray_params, **how)

    def start_api_server(self, **_: Any) -> None:
        """Start none."""

    def start_raylet(self, *given: Any, **named: Any) -> None:
        """Start it with agents that do nothing, and that it need not wait for."""
        idle = [_WATCHING]
        if self.worker is not None and not self.environments:
            idle.append(_PREPARING)
        for name, port in {n: p for agent in idle for n, p in _PORTS[agent].items()}.items():
            _RAYLET.persist_port(self.get_session_dir_path(), self.node_id, name, port)
        build = services._build_python_executable_command_memory_profileable

        def command_of(component: str, *given: Any, **named: Any) -> list[str]:
            if component in idle:
                return [sys.executable, "-I", "-S", idle_agent.__file__]
            command: list[str] = build(component, *given, **named)
            return command

        with _replaced(services, build.__name__, command_of):
            super().start_raylet(*given, **named)


def settle_token() -> None:
    """Choose the token of a node that is about to start, as Ray would: who loads Ray before it
    starts, as a template of workers does, would go without."""
    if tokens.AUTH_MODE_ENV_VAR not in os.environ:
        tokens._enable_token_auth()
    tokens.ensure_token_if_auth_enabled()


@contextmanager
def lean_nodes(worker: Path | None = None, environments: bool = False) -> Iterator[None]:
    """Have ``ray.init`` start its node lean, with a script of ours as its workers, if any."""
    with (
        _replaced(node, "Node", LeanNode),
        _replaced(LeanNode, "worker", worker),
        _replaced(LeanNode, "environments", environments),
    ):
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put something in the place of what a module or class of Ray's has, for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
