"""Encode what a catalogue says of its items."""

from kfp.dsl import Dataset, Input, Output

from components._base import component


@component
def content(
    clean: Input[Dataset],
    vectors: Output[Dataset],
    content: str,
    content_store: str,
    read_ms: int,
    offline: str,
    version: str,
    status: str,
) -> None:
    """Encode texts, pictures and sounds of items; where no encoder is chosen, leave an empty
    folder. Vectors are handed over to the feature store where ``offline`` says so."""
    from pathlib import Path

    Path(vectors.path).mkdir(parents=True, exist_ok=True)
    if not content.strip():
        # Most shops begin without: the step is then over before anything large is imported.
        return
    from components.environment import content_key, llm_key, shared_store
    from components.progress import print_note, print_progress
    from coterie.workflow.content import ContentSettings, encode_catalogue
    from coterie.workflow.status import recorded

    with recorded(status, version, "content"):
        how = ContentSettings.read(content)
        found = encode_catalogue(
            clean.path,
            vectors.path,
            how,
            content_store,
            content_key(),
            print_progress,
            llm_key=llm_key(),
        )
        if offline:
            from feature_repo.items import hand_over_items

            shared = shared_store(offline)
            handed = hand_over_items(vectors.path, shared, read_ms, how.online, print_progress)
            if handed:
                print_note(handed.in_words())
    for kind, coverage in found.items():
        print_note(coverage.in_words(kind))
        vectors.metadata[f"{kind}_encoder"] = coverage.encoder
        vectors.metadata[f"{kind}_known"] = coverage.known
