"""What training anew and fine-tuning have in common: the steps from tables to a rollout."""

from typing import Any, Final, NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Model

from components.evaluate import evaluate
from components.features import features
from components.ingest import ingest
from components.release import release
from components.rollout import rollout
from components.train import train
from pipelines.cluster import (
    LITTLE,
    ask_for,
    command_rollouts,
    make_jobs,
    reach_stores,
    remember,
    share_features,
)


class Outputs(NamedTuple):
    """What a run leaves."""

    clean: Dataset
    store: Artifact
    evaluation: Artifact
    report: HTML
    bundle: Model


DECIDED: Final = frozenset({"train", "evaluate"})
"""Steps whose inputs decide their outputs. A source changes under the same address; to hand over
features, to release and to roll out are acts."""


def learn_and_release(**given: Any) -> Outputs:
    """The steps, with the parameters of the pipelines that call this."""
    status = given["status"]
    taken = ingest(
        **_of(
            given, "source", "dataset", "mapping", "max_bad_share", "runner", "pipeline", "version"
        ),
        status=status,
    )
    clean, name = taken.outputs["clean"], taken.outputs["version"]
    filled = features(
        clean=clean,
        version=name,
        read_ms=taken.outputs["read_ms"],
        offline=given["offline"],
        status=status,
    )
    fitted = train(
        clean=clean,
        known=filled.outputs["known"],
        store=given["release_store"],
        version=name,
        **_of(given, "model", "settings", "workers", "use_gpu", "ray_address", "checkpoints"),
        **_of(
            given,
            "start",
            "repurchase",
            "worker_cpu",
            "worker_memory",
            "accelerator",
            "accelerators",
        ),
        status=status,
    )
    challenger = fitted.outputs["challenger"]
    measured = evaluate(
        clean=clean,
        challenger=challenger,
        models=given["baselines"],
        version=name,
        status=status,
    )
    made = release(
        clean=clean,
        challenger=challenger,
        evaluation=measured.outputs["evaluation"],
        version=name,
        min_gain=given["min_gain"],
        store=given["release_store"],
        status=status,
    )
    with dsl.If(given["roll_out"] == True, name="roll-out"):  # noqa: E712 - KFP reads it
        begun = rollout(
            bundle=made.outputs["bundle"],
            version=name,
            reason="released by a pipeline",
            **_of(given, "api", "plan", "wait_s"),
        )
    tables = {
        "ingest": taken,
        "features": filled,
        "train": fitted,
        "evaluate": measured,
        "release": made,
    }
    for task in tables.values():
        ask_for(task, given["cpu"], given["memory"])
    ask_for(begun, *LITTLE)
    tasks = {**tables, "rollout": begun}
    for task in tasks.values():
        reach_stores(task, given["s3_secret"], given["training_config"])
    share_features(filled, given["redis_secret"], given["training_config"])
    make_jobs(fitted, given["training_config"])
    command_rollouts(begun, given["app_secret"])
    remember(tasks, DECIDED)
    return Outputs(
        clean=clean,
        store=filled.outputs["store"],
        evaluation=measured.outputs["evaluation"],
        report=measured.outputs["report"],
        bundle=made.outputs["bundle"],
    )


def _of(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names}
