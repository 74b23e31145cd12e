"""What steps get of a Kubernetes cluster: secrets, settings, resources, and what is kept of them.

Names of secrets are parameters: the chart's upload job fills in those of its install. On one
machine all of it is passed over.
"""

from collections.abc import Mapping
from typing import Any, Final

from kfp import kubernetes
from kfp.dsl import PipelineTask

from components.environment import (
    ADMIN_TOKEN,
    EVENT_LOG,
    FEATURE_STORE,
    PASSWORDS,
    POD,
    TRAINING,
)

S3_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
S3_SETTINGS: Final = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")
TRAINING_KEY: Final = "training.json"
"""Key of the chart's ConfigMap, as are S3_SETTINGS and the keys of FEATURES."""
FEATURES: Final = {"feature_store.yaml": FEATURE_STORE, "event_log": EVENT_LOG}
REDIS_KEY: Final = "redis-password"
"""Key of the chart's secret."""

LITTLE: Final = ("500m", "1Gi")
"""CPUs and memory of a step that asks and waits."""


def reach_stores(task: PipelineTask, s3_secret: Any, training_config: Any) -> PipelineTask:
    """Let a step read and write object stores; neither has to exist, where a role does it."""
    same = {key: key for key in S3_KEYS}
    kubernetes.use_secret_as_env(task, s3_secret, same, optional=True)
    kubernetes.use_config_map_as_env(
        task, training_config, {key: key for key in S3_SETTINGS}, optional=True
    )
    return task


def share_features(task: PipelineTask, redis_secret: Any, training_config: Any) -> PipelineTask:
    """Let a step write to the feature store that serving reads."""
    kubernetes.use_config_map_as_env(task, training_config, FEATURES, optional=True)
    for variable in PASSWORDS:
        kubernetes.use_secret_as_env(task, redis_secret, {REDIS_KEY: variable}, optional=True)
    return task


def make_jobs(task: PipelineTask, training_config: Any) -> PipelineTask:
    """Let a step make RayJobs that go with it."""
    kubernetes.use_config_map_as_env(task, training_config, {TRAINING_KEY: TRAINING}, optional=True)
    for variable, field in POD.items():
        kubernetes.use_field_path_as_env(task, variable, field)
    return task


def command_rollouts(task: PipelineTask, app_secret: Any) -> PipelineTask:
    """Let a step command rollouts."""
    return kubernetes.use_secret_as_env(task, app_secret, {ADMIN_TOKEN: ADMIN_TOKEN}, optional=True)


def ask_for(task: PipelineTask, cpu: Any, memory: Any) -> PipelineTask:
    """So much of a node, and no more."""
    task.set_cpu_request(cpu).set_cpu_limit(cpu)
    return task.set_memory_request(memory).set_memory_limit(memory)


def remember(tasks: Mapping[str, PipelineTask], decided: frozenset[str]) -> None:
    """Let Kubeflow take a step's outputs from an earlier run where its inputs decide them.

    Args:
        tasks: Steps by name.
        decided: Of those that are all theirs. What reads a source that changes, or changes
            something outside, is done anew each time.
    """
    for name, task in tasks.items():
        task.set_caching_options(name in decided)
