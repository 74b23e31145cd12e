"""Look at what shoppers are like and may do."""

from kfp.dsl import HTML, Dataset, Input, Output

from components._base import component


@component
def behaviour(
    clean: Input[Dataset],
    columns: Output[Dataset],
    page: Output[HTML],
    behaviour: str,
    read_ms: int,
    offline: str,
    version: str,
    status: str,
) -> None:
    """Find segments, foresee purchases, forecast demand; where ``behaviour`` is empty, leave an
    empty folder. Columns of people are handed over to the feature store where ``offline`` says so.
    """
    from pathlib import Path

    Path(columns.path).mkdir(parents=True, exist_ok=True)
    if not behaviour.strip():
        # Most shops begin without: the step is then over before anything large is imported.
        Path(page.path).write_text("<p>Nothing was asked of shoppers' behaviour.</p>\n")
        return
    import shutil

    from components.environment import shared_store
    from components.progress import print_note, print_progress
    from coterie.workflow.behaviour import (
        REPORT_FILE,
        analyse_behaviour,
        read_behaviour_settings,
    )
    from coterie.workflow.status import recorded

    with recorded(status, version, "behaviour"):
        settings = read_behaviour_settings(behaviour)
        earlier = ""
        if offline:
            from coterie.schema import SHOPPER_BEHAVIOUR_VIEW
            from feature_repo.views import file_of

            earlier = file_of(offline, SHOPPER_BEHAVIOUR_VIEW)
        figures = analyse_behaviour(clean.path, columns.path, settings, print_progress, earlier)
        shutil.copyfile(Path(columns.path, REPORT_FILE), page.path)
        if offline:
            from feature_repo.behaviour import hand_over_behaviour

            shared = shared_store(offline)
            handed = hand_over_behaviour(
                columns.path, shared, read_ms, settings.online, print_progress
            )
            print_note(handed.in_words())
    columns.metadata.update(shoppers=figures["size"]["shoppers"], days=figures["size"]["days"])
