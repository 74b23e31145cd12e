"""Let shoppers have a release, or take it back."""

from kfp.dsl import Input, Model

from components._base import component


@component
def rollout(
    bundle: Input[Model],  # noqa: ARG001 - so that it comes after the release
    api: str,
    version: str,
    reason: str,
    plan: str,
    wait_s: int,
) -> None:
    """Start the rollout of a release that was published, and wait for its verdict."""
    from components.environment import admin_token
    from components.progress import noted, printed
    from coterie.rollout.api import RolloutApi
    from coterie.rollout.client import RolloutClient
    from coterie.workflow import read_config
    from coterie.workflow.settings import nest

    rollout_client = RolloutClient(
        RolloutApi(api, admin_token()), f"pipeline {version}", printed, noted
    )
    rollout_client.start(version, reason, nest(read_config(plan)), wait_s)


@component
def rollback(api: str, reason: str, wait_s: int) -> str:
    """Take back what is being rolled out, or else go back to the release before; its version."""
    from components.environment import admin_token
    from components.progress import noted, printed
    from coterie.rollout.api import RolloutApi
    from coterie.rollout.client import RolloutClient

    rollout_client = RolloutClient(
        RolloutApi(api, admin_token()), "pipeline rollback", printed, noted
    )
    version = rollout_client.back(reason, wait_s)
    noted(f"shoppers get {version}")
    return version
