"""The refresh pipeline: today's features, and a release that goes on from the champion's."""

from pipelines._base import pipeline
from pipelines.parameters import REFRESH, Parameters
from pipelines.release_steps import ReleaseOutputs, learn_and_release


@pipeline(REFRESH, "Features of today, and the champion fine-tuned on them: made to run daily.")
def refresh_pipeline(given: Parameters) -> ReleaseOutputs:
    """Ingest, register and materialise features, fine-tune, evaluate, release, roll out."""
    return learn_and_release(REFRESH, given)
