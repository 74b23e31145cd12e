"""What a step gets on Kubernetes: secrets, settings, CPUs and memory, and whether it is cached.

Names of secrets are parameters: the chart's upload job fills in those of its install. On one
machine all of it is passed over.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from kfp import kubernetes
from kfp.dsl import PipelineTask
from kfp.dsl.structures import ResourceSpec

from components.environment import (
    ADMIN_TOKEN,
    CONTENT_KEY,
    EVENT_LOG,
    FEATURE_STORE,
    KEEP_DAYS,
    LLM_KEY,
    PASSWORDS,
    POD,
    TRAINING,
)
from coterie.cluster.rayjob import TRUST
from coterie.data.circle import VARIABLES
from coterie.data.pseudonyms import VARIABLE as PSEUDONYM_KEY

S3_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Keys of the secret with S3's credentials, and the variables that a step finds them in."""
S3_SETTINGS: Final = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")
"""Keys of the chart's ConfigMap with address and region of S3, and the variables of a step."""
TRAINING_KEY: Final = "training.json"
"""Key of the chart's ConfigMap with JSON of a ``TrainingCluster``."""
FEATURES: Final = {"feature_store.yaml": FEATURE_STORE, "event_log": EVENT_LOG}
"""Keys of the chart's ConfigMap, and the variables that a step finds them in."""
REDIS_KEY: Final = "redis-password"
"""Key of the chart's secret with the password of Redis."""

LITTLE_RESOURCES: Final = ("500m", "1Gi")
"""CPUs and memory of a step that asks and waits."""


PODS: Final = "COTERIE_STEP_PODS"
"""Variable of who compiles pipelines, JSON of the chart: where steps run (``nodeSelector``,
``tolerations``), the ``variables`` by which they reach what is outside the cluster, and the
ConfigMap of the certificates that they believe, ``trust``."""


def give_pods(tasks: Mapping[str, PipelineTask]) -> None:
    """Let the pods of all steps run, and reach others, as this install's pods do."""
    given = json.loads(os.environ.get(PODS) or "{}")
    for task in tasks.values():
        for label, value in given.get("nodeSelector", {}).items():
            kubernetes.add_node_selector(task, label, value)
        for one in given.get("tolerations", ()):
            seconds = {"toleration_seconds": one.get("tolerationSeconds")}
            told = {name: one.get(name) for name in ("key", "operator", "value", "effect")}
            kubernetes.add_toleration(task, **told, **seconds)
        for name, value in given.get("variables", {}).items():
            task.set_env_variable(name, value)
        if given.get("trust"):
            kubernetes.use_config_map_as_volume(task, given["trust"], TRUST)


def give_object_stores(task: PipelineTask, s3_secret: Any, training_config: Any) -> PipelineTask:
    """Let a step read and write object stores; secret and ConfigMap may be missing, as where a role
    of the cloud lets it in."""
    same = {key: key for key in S3_KEYS}
    kubernetes.use_secret_as_env(task, s3_secret, same, optional=True)
    kubernetes.use_config_map_as_env(
        task, training_config, {key: key for key in S3_SETTINGS}, optional=True
    )
    return task


def give_feature_store(task: PipelineTask, redis_secret: Any, training_config: Any) -> PipelineTask:
    """Let a step write to the feature store that serving reads."""
    kubernetes.use_config_map_as_env(task, training_config, FEATURES, optional=True)
    for variable in PASSWORDS:
        kubernetes.use_secret_as_env(task, redis_secret, {REDIS_KEY: variable}, optional=True)
    return task


def give_circle(task: PipelineTask, training_config: Any) -> PipelineTask:
    """Tell a step on whom the lists of this install draw; where nothing is set, the default."""
    same = {variable: variable for variable in VARIABLES}
    return kubernetes.use_config_map_as_env(task, training_config, same, optional=True)


def give_keep_days(task: PipelineTask, training_config: Any) -> PipelineTask:
    """Tell a step for how long this install keeps what people did; nothing: for ever."""
    same = {KEEP_DAYS: KEEP_DAYS}
    return kubernetes.use_config_map_as_env(task, training_config, same, optional=True)


def give_training_cluster(task: PipelineTask, training_config: Any) -> PipelineTask:
    """Let a step make RayJobs where this cluster trains; they go when its pod does."""
    kubernetes.use_config_map_as_env(task, training_config, {TRAINING_KEY: TRAINING}, optional=True)
    for variable, field in POD.items():
        kubernetes.use_field_path_as_env(task, variable, field)
    return task


def give_content_keys(task: PipelineTask, content_secret: Any, llm_secret: Any) -> PipelineTask:
    """Give a step the keys of the API that encodes texts, and of the one that describes items."""
    for secret, variable in ((content_secret, CONTENT_KEY), (llm_secret, LLM_KEY)):
        kubernetes.use_secret_as_env(task, secret, {variable: variable}, optional=True)
    return task


def give_pseudonym_key(task: PipelineTask, pseudonym_secret: Any) -> PipelineTask:
    """Give a step the keys that make pseudonyms of people's ids."""
    same = {PSEUDONYM_KEY: PSEUDONYM_KEY}
    return kubernetes.use_secret_as_env(task, pseudonym_secret, same, optional=True)


def give_admin_token(task: PipelineTask, app_secret: Any) -> PipelineTask:
    """Give a step the token that commands rollouts."""
    return kubernetes.use_secret_as_env(task, app_secret, {ADMIN_TOKEN: ADMIN_TOKEN}, optional=True)


def request_resources(task: PipelineTask, cpu: Any, memory: Any) -> PipelineTask:
    """Request CPUs and memory for a step, which gets no more than that."""
    assert task.container_spec is not None
    # kfp's own four setters look through all modules of the process at each call: seconds.
    cpu, memory = str(cpu), str(memory)
    task.container_spec.resources = ResourceSpec(cpu, cpu, memory, memory)
    return task


def set_caching(tasks: Mapping[str, PipelineTask], decided: frozenset[str]) -> None:
    """Let Kubeflow take a step's outputs from an earlier run where its inputs decide them.

    Args:
        tasks: All steps of the pipeline, by name.
        decided: Names of the steps whose inputs decide their outputs. A step that reads a source
            that changes, or that changes something outside, is run each time.
    """
    for name, task in tasks.items():
        task.set_caching_options(name in decided)
