"""Asking again those who are away: the one loop for it. tenacity comes with the first use."""

from collections.abc import Callable
from typing import TypeVar

from coterie.errors import UnavailableError

T = TypeVar("T")


def until_available(
    ask: Callable[[], T],
    patience_s: float,
    wait_s: float,
    say: Callable[[str], object] | None = None,
) -> T:
    """Ask again for as long as somebody is away; what is refused is not asked for again.

    Args:
        ask: Raises UnavailableError while it cannot be answered.
        patience_s: After this time the last error is raised.
        wait_s: Between two attempts.
        say: Told of each error after which it is asked again; None: nobody is.
    """
    import tenacity

    def tell(state: tenacity.RetryCallState) -> None:
        if say and state.outcome:
            say(str(state.outcome.exception()))

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(UnavailableError),
        stop=tenacity.stop_after_delay(patience_s),
        wait=tenacity.wait_fixed(wait_s),
        before_sleep=tell,
        reraise=True,
    )(ask)
