"""The refresh pipeline: today's features, and a release that goes on from the champion's."""

from pipelines._base import pipeline
from pipelines.graph import ReleaseOutputs, learn_and_release
from pipelines.parameters import REFRESH, Parameters


@pipeline(REFRESH, "Features of today, and the champion fine-tuned on them: made to run daily.")
def refresh_pipeline(given: Parameters) -> ReleaseOutputs:
    """Ingest, register and materialise features, fine-tune, evaluate, release, roll out."""
    return learn_and_release(REFRESH, given)
