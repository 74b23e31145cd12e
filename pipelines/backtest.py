"""The backtest pipeline: how models would have done in past weeks."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact

from components.backtest import backtest
from components.ingest import ingest
from pipelines.cluster import ask_for, reach_stores, remember


class Outputs(NamedTuple):
    """What a run leaves."""

    figures: Artifact
    report: HTML


@dsl.pipeline(  # type: ignore[untyped-decorator]
    name="coterie-backtest",
    description="A report over past weeks, each foreseen from what came before it.",
)
def backtest_pipeline(
    source: str,
    dataset: str = "",
    mapping: str = "",
    max_bad_share: float = 0.05,
    runner: str = "native",
    weeks: int = 4,
    models: str = "",
    settings: str = "{}",
    s3_secret: str = "coterie-s3",  # noqa: S107 - a name
    training_config: str = "coterie-training",
    cpu: str = "2",
    memory: str = "8Gi",
) -> Outputs:
    """Ingest, then fit and measure week by week.

    Args:
        source: Folder or URL (s3://...) with the tables events, ties, items and perhaps users.
        dataset: beidian, lastfm or ciao where the source is that data set in its original form.
        mapping: File or URL that says what the files of the source are; empty for the contract's.
        max_bad_share: Share of bad rows in a table over which the run stops; fewer are put aside.
        runner: Where Daft cleans the tables: native (in the step itself) or ray.
        weeks: How many, counted back from the last event.
        models: Names of models, a space between; empty takes popularity, item_knn and social.
        settings: JSON of settings of the social model that differ from its own, or the address of
            a file with it.
        s3_secret: Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; passed over where it
            does not exist. On Kubernetes alone, as all that follow.
        training_config: ConfigMap of the chart that says where this cluster trains.
        cpu: CPUs of each step that works on tables.
        memory: Memory of each such step.
    """
    taken = ingest(
        source=source,
        dataset=dataset,
        mapping=mapping,
        max_bad_share=max_bad_share,
        runner=runner,
        pipeline="",
        version="backtest",
        status="",
    )
    measured = backtest(clean=taken.outputs["clean"], weeks=weeks, models=models, settings=settings)
    for task in (taken, measured):
        reach_stores(task, s3_secret, training_config)
        ask_for(task, cpu, memory)
    remember({"ingest": taken, "backtest": measured}, decided=frozenset({"backtest"}))
    return Outputs(figures=measured.outputs["figures"], report=measured.outputs["report"])
