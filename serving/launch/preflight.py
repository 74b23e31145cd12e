"""What is looked at before anything is started: each fault is one line, at once."""

import os
import socket
from pathlib import Path

from coterie.errors import BadInputError
from coterie.release.files import read_files
from coterie.schema import EVENTS
from serving.settings import Settings


def check(settings: Settings) -> None:
    """Refuse what could not be served.

    Raises:
        BadInputError: The port is taken, or the release, the feature store or the folder of
            shoppers is not as it should be.
        UnavailableError: The release's store did not answer.
    """
    check_port(settings.host, settings.port)
    # Not more than the bytes: Torch takes seconds to import, and replicas look at the tensors.
    read_files(settings.release)
    _check_features(settings.features)
    _check_shoppers(settings)


def check_port(host: str, port: int) -> None:
    """Refuse a port that somebody has, before anything is started.

    Raises:
        BadInputError: The port is taken, or the address is not ours.
    """
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise BadInputError(
            f"cannot listen on {host} port {port}: {why}; stop what uses it "
            f"(`ss -ltnp 'sport = :{port}'` names it), or choose another with --port"
        ) from error


def _check_features(folder: str) -> None:
    if not (Path(folder) / "feature_store.yaml").is_file():
        raise BadInputError(
            f"no feature_store.yaml in {folder}: apply the feature repository first, "
            "then name its folder in COTERIE_FEATURES or --features"
        )


def _check_shoppers(settings: Settings) -> None:
    if settings.storefront and settings.shoppers:
        folder = Path(settings.shoppers)
        if not (folder / f"{EVENTS.name}.parquet").is_file():
            raise BadInputError(f"no shoppers in {folder}: name a folder that ingest wrote")
