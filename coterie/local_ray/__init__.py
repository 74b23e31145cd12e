"""Ray on this machine alone, for as long as one command needs it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from coterie.errors import UnavailableError

TRIES: Final = 3
"""Ray gives its own processes half a minute, which cannot be set: a busy machine takes longer."""
ON_DEMAND: Final = {"prestart_worker_first_driver": False, "enable_worker_prestart": False}
"""Of Ray: a worker that is forked before it is needed has not got all that it will need."""
_TOO_SLOW: Final = "timed out during startup"


@contextmanager
def ray_at(
    address: str, modules: Sequence[str], logging_level: int, **resources: Any
) -> Iterator[None]:
    """Have Ray up for a while, unless the caller has it up already.

    Args:
        address: Of the cluster to join; ``local`` starts one on this machine, whose workers are
            forks of one process.
        modules: That those forks have, see ``worker_template``.
        logging_level: Of Ray's own words.
        resources: Of the node that is started, as ``ray.init`` takes them.

    Raises:
        UnavailableError: Ray's processes were too slow each time.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        if address == "local":
            with _forking(modules) as worker:
                start_local_ray(worker, environments=True, logging_level=logging_level, **resources)
                yield
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging_level)
            yield
    finally:
        ray.shutdown()


@contextmanager
def _forking(modules: Sequence[str]) -> Iterator[Path | None]:
    """Start a template that can speak with the node which is about to start."""
    from coterie.local_ray.node import settle_token
    from coterie.local_ray.template import worker_template

    settle_token()
    with worker_template(modules) as worker:
        yield worker


def start_local_ray(
    worker: Path | None = None, *, environments: bool = False, **settings: Any
) -> None:
    """Start Ray on this machine; once more where its processes were too slow.

    Args:
        worker: Script that Ray is to run as its workers, see ``worker_template``; its own if None.
        environments: Whether workers of such a script may ask for an environment, as Ray Train's
            do for their variables.
        settings: See ``ray.init``.

    Raises:
        UnavailableError: They were too slow each time.
    """
    import ray

    from coterie.local_ray.node import lean_nodes

    if worker is not None:
        settings = {"_system_config": ON_DEMAND, **settings}
    for _ in range(TRIES):
        try:
            with lean_nodes(worker, environments):
                ray.init(address="local", include_dashboard=False, log_to_driver=False, **settings)
        except Exception as error:  # Ray raises nothing more special
            if _TOO_SLOW not in str(error):
                raise
            ray.shutdown()
        else:
            return
    raise UnavailableError(
        f"Ray did not start on this machine, {TRIES} times in half a minute each: something else "
        "takes its cores or memory; try again when it has ended"
    )
