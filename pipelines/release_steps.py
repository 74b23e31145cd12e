"""The steps from tables to a rollout, which the train and refresh pipelines share."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Model, PipelineTask

from components.behaviour import behaviour
from components.content import content
from components.evaluate import evaluate
from components.features import features
from components.ingest import ingest
from components.network import network
from components.release import release
from components.rollout import rollout
from components.train import train
from pipelines.kubernetes import (
    LITTLE_RESOURCES,
    give_admin_token,
    give_circle,
    give_content_keys,
    give_feature_store,
    give_keep_days,
    give_object_stores,
    give_pods,
    give_pseudonym_key,
    give_training_cluster,
    request_resources,
    set_caching,
)
from pipelines.parameters import Parameters


class ReleaseOutputs(NamedTuple):
    """What a run leaves."""

    clean: Dataset
    store: Artifact
    evaluation: Artifact
    report: HTML
    bundle: Model


DECIDED: Final = frozenset({"train", "evaluate"})
"""Steps whose inputs decide their outputs. A source changes under the same address; to hand over
features, to release and to roll out are acts."""


def learn_and_release(pipeline: str, given: Parameters) -> ReleaseOutputs:
    """Lay out the steps from tables to a rollout, for a pipeline of this name."""
    taken = ingest(
        source=given.source,
        dataset=given.dataset,
        mapping=given.mapping,
        max_bad_share=given.max_bad_share,
        keep_days=given.keep_days,
        runner=given.runner,
        content=given.content,
        pseudonyms=given.pseudonyms,
        pipeline=pipeline,
        version=given.version,
        status=given.status,
    )
    clean, version = taken.outputs["clean"], taken.outputs["version"]
    filled = features(
        clean=clean,
        version=version,
        read_ms=taken.outputs["read_ms"],
        offline=given.offline,
        status=given.status,
    )
    # Features first, which serving waits for: a catalogue may take hours.
    encoded = _encode(given, clean, taken.outputs["read_ms"], version).after(filled)
    vectors = encoded.outputs["vectors"]
    looked = _look(given, clean, taken.outputs["read_ms"], version).after(encoded)
    fitted = _train(given, clean, filled.outputs["training_features"], vectors, version)
    # One after the other, as each writes how the run stands.
    foreseen = _foresee(given, clean, taken.outputs["read_ms"], version).after(looked)
    fitted.after(foreseen)
    measured = evaluate(
        clean=clean,
        challenger=fitted.outputs["challenger"],
        vectors=vectors,
        models=given.baselines,
        version=version,
        status=given.status,
    )
    made = release(
        clean=clean,
        challenger=fitted.outputs["challenger"],
        evaluation=measured.outputs["evaluation"],
        vectors=vectors,
        version=version,
        min_gain=given.min_gain,
        store=given.release_store,
        status=given.status,
    )
    begun = _roll_out(given, made.outputs["bundle"], version)
    tables = {
        "ingest": taken,
        "features": filled,
        "content": encoded,
        "network": looked,
        "behaviour": foreseen,
        "train": fitted,
    }
    tables |= {"evaluate": measured, "release": made}
    _provide(given, tables, begun)
    return ReleaseOutputs(
        clean=clean,
        store=filled.outputs["store"],
        evaluation=measured.outputs["evaluation"],
        report=measured.outputs["report"],
        bundle=made.outputs["bundle"],
    )


def _encode(given: Parameters, clean: Dataset, read_ms: int, version: str) -> PipelineTask:
    return content(
        clean=clean,
        content=given.content,
        content_store=given.content_store,
        read_ms=read_ms,
        offline=given.offline,
        version=version,
        status=given.status,
    )


def _look(given: Parameters, clean: Dataset, read_ms: int, version: str) -> PipelineTask:
    return network(
        clean=clean,
        network=given.network,
        read_ms=read_ms,
        offline=given.offline,
        version=version,
        status=given.status,
    )


def _foresee(given: Parameters, clean: Dataset, read_ms: int, version: str) -> PipelineTask:
    return behaviour(
        clean=clean,
        behaviour=given.behaviour,
        read_ms=read_ms,
        offline=given.offline,
        version=version,
        status=given.status,
    )


def _train(
    given: Parameters, clean: Dataset, training_features: Dataset, vectors: Dataset, version: str
) -> PipelineTask:
    return train(
        clean=clean,
        training_features=training_features,
        vectors=vectors,
        model=given.model,
        settings=given.settings,
        workers=given.workers,
        use_gpu=given.use_gpu,
        ray_address=given.ray_address,
        checkpoints=given.checkpoints,
        start=given.start,
        repurchase=given.repurchase,
        impressions=given.impressions,
        store=given.release_store,
        worker_cpu=given.worker_cpu,
        worker_memory=given.worker_memory,
        accelerator=given.accelerator,
        accelerators=given.accelerators,
        version=version,
        status=given.status,
    )


def _roll_out(given: Parameters, bundle: Model, version: str) -> PipelineTask:
    with dsl.If(given.roll_out == True, name="roll-out"):  # noqa: E712 - KFP reads it
        return rollout(
            bundle=bundle,
            version=version,
            reason="released by a pipeline",
            api=given.api,
            plan=given.plan,
            wait_s=given.wait_s,
        )


def _provide(given: Parameters, tables: Mapping[str, PipelineTask], begun: PipelineTask) -> None:
    """Give each step what it needs of a cluster.

    Args:
        given: Parameters of the pipeline.
        tables: Steps that work on tables, by name.
        begun: The step that begins the rollout.
    """
    for task in tables.values():
        request_resources(task, given.cpu, given.memory)
    request_resources(begun, *LITTLE_RESOURCES)
    tasks = {**tables, "rollout": begun}
    for task in tasks.values():
        give_object_stores(task, given.s3_secret, given.training_config)
    for name in ("features", "content", "network", "behaviour"):
        give_feature_store(tables[name], given.redis_secret, given.training_config)
    give_keep_days(tables["ingest"], given.training_config)
    give_content_keys(tables["content"], given.content_secret, given.llm_secret)
    give_pseudonym_key(tables["ingest"], given.pseudonym_secret)
    give_training_cluster(tables["train"], given.training_config)
    give_circle(tables["train"], given.training_config)
    give_admin_token(begun, given.app_secret)
    give_pods(tasks)
    set_caching(tasks, DECIDED)
