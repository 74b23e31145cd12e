"""The training pipeline: the same on one machine and on a cluster."""

from pipelines._base import pipeline
from pipelines.parameters import TRAIN, Parameters
from pipelines.release_steps import ReleaseOutputs, learn_and_release


@pipeline(TRAIN, "From a shop's tables to a release that beats the baselines, or none.")
def train_pipeline(given: Parameters) -> ReleaseOutputs:
    """Ingest, register and materialise features, train, evaluate, release, roll out."""
    return learn_and_release(TRAIN, given)
