"""Release the challenger, if it deserves it."""

from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components._base import component


@component
def release(
    clean: Input[Dataset],
    challenger: Input[Model],
    evaluation: Input[Artifact],
    vectors: Input[Dataset],
    bundle: Output[Model],
    version: str,
    min_gain: float,
    store: str,
    status: str,
) -> None:
    """Write an immutable release, with vectors of items, and publish it where a store is named."""
    from coterie.release.gate import Limits
    from coterie.workflow import make_release
    from coterie.workflow.content_folder import content_of_step
    from coterie.workflow.publish import publish
    from coterie.workflow.status import recorded

    with recorded(status, version, "release"):
        limits = Limits(min_gain_over_popularity=min_gain)
        made = make_release(
            clean.path,
            challenger.path,
            bundle.path,
            version,
            limits,
            evaluation.path,
            content_of_step(vectors.path),
        )
        publish(bundle.path, store)
    bundle.metadata.update(version=made.version, digest=made.digest)
