"""Look at who knows whom."""

from kfp.dsl import HTML, Dataset, Input, Output

from components._base import component


@component
def network(
    clean: Input[Dataset],
    columns: Output[Dataset],
    page: Output[HTML],
    network: str,
    read_ms: int,
    offline: str,
    version: str,
    status: str,
) -> None:
    """Find communities, and who moves whom; where ``network`` is empty, leave an empty folder.
    Columns of people are handed over to the feature store where ``offline`` says so."""
    from pathlib import Path

    Path(columns.path).mkdir(parents=True, exist_ok=True)
    if not network.strip():
        # Most shops begin without: the step is then over before anything large is imported.
        Path(page.path).write_text("<p>No network was asked for.</p>\n")
        return
    import shutil

    from components.environment import shared_store
    from components.progress import print_note, print_progress
    from coterie.workflow.network import REPORT_FILE, analyse_network, read_network_settings
    from coterie.workflow.status import recorded

    with recorded(status, version, "network"):
        settings = read_network_settings(network)
        figures = analyse_network(clean.path, columns.path, settings, print_progress)
        shutil.copyfile(Path(columns.path, REPORT_FILE), page.path)
        if offline:
            from feature_repo.network import hand_over_network

            shared = shared_store(offline)
            handed = hand_over_network(
                columns.path, shared, read_ms, settings.online, print_progress
            )
            print_note(handed.in_words())
    columns.metadata.update(people=figures["size"]["people"], ties=figures["size"]["ties"])
