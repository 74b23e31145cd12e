"""The rollback pipeline: a button in the Kubeflow UI."""

from typing import NamedTuple

from components.rollout import rollback
from pipelines._base import pipeline
from pipelines.kubernetes import (
    LITTLE_RESOURCES,
    give_admin_token,
    give_pods,
    request_resources,
    set_caching,
)
from pipelines.parameters import ROLLBACK, Parameters


class RollbackOutputs(NamedTuple):
    """What a run leaves."""

    version: str


@pipeline(ROLLBACK, "Takes back what is being rolled out, or else goes back to the release before.")
def rollback_pipeline(given: Parameters) -> RollbackOutputs:
    """Roll back, and wait until shoppers get what they had."""
    done = rollback(api=given.api, reason=given.reason, wait_s=given.wait_s)
    give_admin_token(done, given.app_secret)
    request_resources(done, *LITTLE_RESOURCES)
    give_pods({"rollback": done})
    set_caching({"rollback": done}, decided=frozenset())
    return RollbackOutputs(version=done.output)
