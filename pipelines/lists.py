"""The lists pipeline: everybody's list at once, for a newsletter of the night, or a cache."""

from typing import NamedTuple

from kfp.dsl import Artifact

from components.recommend import recommend
from pipelines._base import pipeline
from pipelines.kubernetes import (
    give_circle,
    give_object_stores,
    give_pods,
    request_resources,
    set_caching,
)
from pipelines.parameters import LISTS, Parameters


class ListsOutputs(NamedTuple):
    """What a run leaves."""

    made: Artifact


@pipeline(LISTS, "The lists of all shoppers at once, as they would be served.")
def lists_pipeline(given: Parameters) -> ListsOutputs:
    """Make everybody's list of the features that were handed over last."""
    made = recommend(
        store=given.release_store,
        listed=given.listed,
        offline=given.offline,
        lists=given.lists,
        list_length=given.list_length,
        list_rules=given.list_rules,
    )
    give_object_stores(made, given.s3_secret, given.training_config)
    give_circle(made, given.training_config)
    request_resources(made, given.cpu, given.memory)
    give_pods({"recommend": made})
    set_caching({"recommend": made}, decided=frozenset())
    return ListsOutputs(made=made.outputs["made"])
