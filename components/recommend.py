"""Make the lists of all shoppers."""

from kfp.dsl import Artifact, Output

from components._base import component


@component
def recommend(
    made: Output[Artifact],
    store: str,
    listed: str,
    offline: str,
    lists: str,
    list_length: int,
    list_rules: str,
) -> None:
    """Write everybody's list, as serving would answer it, to where a campaign or a cache takes it
    from; beside the run where nothing is named."""
    from components.environment import circle_rule
    from components.progress import print_note, print_progress
    from coterie.workflow.all_lists import AllListsSettings, list_everyone, released

    settings = AllListsSettings(list_length, list_rules, circle_rule())
    found = list_everyone(
        released(store, listed), lists or made.path, settings, offline, told=print_progress
    )
    made.metadata.update(release=found.release, shoppers=found.shoppers, files=found.files)
    print_note(
        f"lists of {found.shoppers:,} shoppers by release {found.release} are in "
        f"{lists or made.path}"
    )
