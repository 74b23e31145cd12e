"""Ray on this machine alone, for as long as one command needs it."""

from typing import Any, Final

from coterie.errors import UnavailableError

TRIES: Final = 3
"""Ray gives its own processes half a minute, which cannot be set: a busy machine takes longer."""
_TOO_SLOW: Final = "timed out during startup"


def start_local_ray(**settings: Any) -> None:
    """Start Ray on this machine; once more where its processes were too slow.

    Args:
        settings: See ``ray.init``.

    Raises:
        UnavailableError: They were too slow each time.
    """
    import ray

    for _ in range(TRIES):
        try:
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
