"""The rollback pipeline: a button in the Kubeflow UI."""

from typing import NamedTuple

from components.rollout import rollback
from pipelines._base import pipeline
from pipelines.cluster import LITTLE, ask_for, command_rollouts, remember
from pipelines.parameters import ROLLBACK, Parameters


class RollbackOutputs(NamedTuple):
    """What a run leaves."""

    version: str


@pipeline(ROLLBACK, "Takes back what is being rolled out, or else goes back to the release before.")
def rollback_pipeline(given: Parameters) -> RollbackOutputs:
    """Roll back, and wait until shoppers get what they had."""
    done = rollback(api=given.api, reason=given.reason, wait_s=given.wait_s)
    command_rollouts(done, given.app_secret)
    ask_for(done, *LITTLE)
    remember({"rollback": done}, decided=frozenset())
    return RollbackOutputs(version=done.output)
