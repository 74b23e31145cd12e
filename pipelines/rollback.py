"""The rollback pipeline: a button in the Kubeflow UI."""

from typing import NamedTuple

from kfp import dsl

from components.rollout import rollback
from pipelines.cluster import LITTLE, ask_for, command_rollouts, remember


class Outputs(NamedTuple):
    """What a run leaves."""

    version: str


@dsl.pipeline(  # type: ignore[untyped-decorator]
    name="coterie-rollback",
    description="Takes back what is being rolled out, or else goes back to the release before.",
)
def rollback_pipeline(
    reason: str,
    api: str = "http://coterie-api:8000",
    wait_s: int = 900,
    app_secret: str = "coterie-app",  # noqa: S107 - a name
) -> Outputs:
    """Roll back, and wait until shoppers get what they had.

    Args:
        reason: Why; it stands in the audit log, and beside the release in quarantine.
        api: Address of the app that serves the shop, which commands its controller.
        wait_s: How long to wait, seconds; what was begun goes on all the same.
        app_secret: Secret with COTERIE_ADMIN_TOKEN. On Kubernetes alone.
    """
    done = rollback(api=api, reason=reason, wait_s=wait_s)
    command_rollouts(done, app_secret)
    ask_for(done, *LITTLE)
    remember({"rollback": done}, decided=frozenset())
    return Outputs(version=done.output)
