"""Start a rollout, or roll back."""

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
    from components.progress import print_note, print_progress
    from coterie.rollout.api import RolloutApi
    from coterie.rollout.client import RolloutClient
    from coterie.workflow import read_config
    from coterie.workflow.config_values import nest

    admin = RolloutApi(api, admin_token())
    client = RolloutClient(admin, f"pipeline {version}", print_progress, print_note)
    client.start(version, reason, nest(read_config(plan)), wait_s)


@component
def rollback(api: str, reason: str, wait_s: int) -> str:
    """Take back what is being rolled out, or else go back to the release before, and return the
    version that shoppers get then."""
    from components.environment import admin_token
    from components.progress import print_note, print_progress
    from coterie.rollout.api import RolloutApi
    from coterie.rollout.client import RolloutClient

    admin = RolloutApi(api, admin_token())
    client = RolloutClient(admin, "pipeline rollback", print_progress, print_note)
    version = client.back(reason, wait_s)
    print_note(f"shoppers get {version}")
    return version
