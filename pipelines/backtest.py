"""The backtest pipeline: how models would have done in past weeks."""

from typing import NamedTuple

from kfp.dsl import HTML, Artifact

from components.backtest import backtest
from components.content import content
from components.ingest import ingest
from pipelines._base import pipeline
from pipelines.kubernetes import (
    give_circle,
    give_content_keys,
    give_keep_days,
    give_object_stores,
    give_pods,
    give_pseudonym_key,
    request_resources,
    set_caching,
)
from pipelines.parameters import BACKTEST, Parameters


class BacktestOutputs(NamedTuple):
    """What a run leaves."""

    figures: Artifact
    report: HTML


@pipeline(BACKTEST, "A report over past weeks, each foreseen from what came before it.")
def backtest_pipeline(given: Parameters) -> BacktestOutputs:
    """Ingest and encode, then fit and measure week by week."""
    taken = ingest(
        source=given.source,
        dataset=given.dataset,
        mapping=given.mapping,
        max_bad_share=given.max_bad_share,
        keep_days=given.keep_days,
        runner=given.runner,
        content=given.content,
        pseudonyms=given.pseudonyms,
        pipeline="",
        version="backtest",
        status="",
    )
    # Nothing is released, so nothing is handed over to the feature store.
    encoded = content(
        clean=taken.outputs["clean"],
        content=given.content,
        content_store=given.content_store,
        read_ms=taken.outputs["read_ms"],
        offline="",
        version="backtest",
        status="",
    )
    measured = backtest(
        clean=taken.outputs["clean"],
        vectors=encoded.outputs["vectors"],
        weeks=given.weeks,
        models=given.models,
        settings=given.settings,
    )
    tasks = {"ingest": taken, "content": encoded, "backtest": measured}
    for task in tasks.values():
        give_object_stores(task, given.s3_secret, given.training_config)
        request_resources(task, given.cpu, given.memory)
    give_keep_days(taken, given.training_config)
    give_content_keys(encoded, given.content_secret, given.llm_secret)
    give_pseudonym_key(taken, given.pseudonym_secret)
    give_circle(measured, given.training_config)
    give_pods(tasks)
    set_caching(tasks, decided=frozenset({"backtest"}))
    return BacktestOutputs(figures=measured.outputs["figures"], report=measured.outputs["report"])
