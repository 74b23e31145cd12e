"""The training pipeline: the same on one machine and on a cluster."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Model

from components.evaluate import evaluate
from components.features import features
from components.ingest import ingest
from components.release import release
from components.train import train


class Outputs(NamedTuple):
    """What a run leaves."""

    clean: Dataset
    store: Artifact
    evaluation: Artifact
    report: HTML
    bundle: Model


@dsl.pipeline(  # type: ignore[untyped-decorator]
    name="coterie-train",
    description="From a shop's tables to a release that beats the baselines, or none.",
)
def train_pipeline(
    source: str,
    dataset: str = "",
    max_bad_share: float = 0.05,
    runner: str = "native",
    version: str = "",
    model: str = "social",
    settings: str = "{}",
    workers: int = 1,
    use_gpu: bool = False,
    ray_address: str = "local",
    checkpoints: str = "",
    baselines: str = "",
    min_gain: float = 0.02,
    release_store: str = "",
    status: str = "",
) -> Outputs:
    """Ingest, register and materialise features, train, evaluate, release.

    Args:
        source: Folder or URL (s3://...) with the tables events, ties, items and perhaps users.
        dataset: beidian, lastfm or ciao where the source is that data set in its original form.
        max_bad_share: Share of bad rows in a table over which the run stops; fewer are put aside.
        runner: Where Daft cleans the tables: native (in the step itself) or ray.
        version: Name of the release; empty takes the time of day in UTC.
        model: What to fit: social, or one of the baselines (of which no release is made).
        settings: JSON of model settings that differ from its own: {"dim": 128, "loop.lr": 0.002};
            or the address of a file with it, such as the best.json of coterie tune.
        workers: Ray Train workers; 0 trains in the step itself.
        use_gpu: One GPU for each worker.
        ray_address: Of the Ray cluster; local starts one inside the step, auto joins its own.
        checkpoints: Folder or URL where training's states outlive the run: another run on the same
            data goes on where this one was broken off. Empty keeps them with the run.
        baselines: Names of models to compare, a space between; empty compares all.
        min_gain: What a release has to gain over popularity on validation, as a share.
        release_store: Folder or URL to publish the release to; empty publishes it nowhere.
        status: Folder or URL where each run leaves how it stands, for monitoring; empty leaves it
            nowhere.
    """
    taken = ingest(
        source=source,
        dataset=dataset,
        max_bad_share=max_bad_share,
        runner=runner,
        version=version,
        status=status,
    )
    clean, name = taken.outputs["clean"], taken.outputs["Output"]
    filled = features(clean=clean, version=name, status=status)
    fitted = train(
        clean=clean,
        known=filled.outputs["known"],
        model=model,
        settings=settings,
        workers=workers,
        use_gpu=use_gpu,
        ray_address=ray_address,
        checkpoints=checkpoints,
        version=name,
        status=status,
    )
    challenger = fitted.outputs["challenger"]
    measured = evaluate(
        clean=clean,
        challenger=challenger,
        models=baselines,
        version=name,
        status=status,
    )
    made = release(
        clean=clean,
        challenger=challenger,
        evaluation=measured.outputs["evaluation"],
        version=name,
        min_gain=min_gain,
        store=release_store,
        status=status,
    )
    return Outputs(
        clean=clean,
        store=filled.outputs["store"],
        evaluation=measured.outputs["evaluation"],
        report=measured.outputs["report"],
        bundle=made.outputs["bundle"],
    )
