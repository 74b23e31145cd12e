"""Bring a release to where others find it."""

from coterie.release.store import ReleaseStore


def publish(folder: str, store: str = "") -> None:
    """Copy a release into a store, if one is named.

    Args:
        folder: The release.
        store: Folder or URL of the store; empty publishes nowhere.

    Raises:
        BadInputError: The release is damaged, or the store has another one of its version.
        UnavailableError: The store does not answer.
    """
    if store:
        ReleaseStore(store).publish(folder)
