"""What is looked at before anything is started: each fault is one line, at once."""

import os
import socket
import sys
from pathlib import Path

from coterie.access.keys import read_keys
from coterie.data.load import refuse_other_key
from coterie.data.pseudonyms import PseudonymKeys
from coterie.errors import BadInputError, UnavailableError
from coterie.recommend.rules import read_rules_file
from coterie.release.files import read_files
from coterie.release.manifest import CONTENT
from coterie.release.queries import NONE, SETTING, TEXT, QueryEncoders, is_address
from coterie.release.vectors import unpack_vectors
from coterie.schema import EVENTS, INGEST_REPORT
from serving.launch.people_key import compare_people
from serving.settings import AT_HOME, Settings


def check(settings: Settings) -> None:
    """Refuse what could not be served.

    Raises:
        BadInputError: The port is taken, or the release, the feature store, the folder of
            shoppers, the file of rules or that of keys is not as it should be; or the event log's
            people stand under another key.
        UnavailableError: The release's store did not answer.
    """
    check_port(settings.host, settings.port)
    # Not more than the bytes: Torch takes seconds to import, and replicas look at the tensors.
    read_files(settings.release)
    _check_features(settings.features)
    _check_shoppers(settings)
    if settings.rules:
        read_rules_file(settings.rules)
    if settings.keys:
        read_keys(settings.keys)
    _check_pseudonyms(settings)


def _check_pseudonyms(settings: Settings) -> None:
    """Refuse keys that are none, and tables whose people stand under others; say where ids are
    kept, to whoever serves others."""
    keys = PseudonymKeys.given(settings.pseudonym_key, settings.pseudonym_key_file)
    if not keys and settings.host not in AT_HOME:
        print(
            "note: people's ids are kept as the shop has them, since COTERIE_PSEUDONYM_KEY is not "
            "set (docs/privacy.md)",
            file=sys.stderr,
        )
    if settings.storefront and Path(settings.shoppers, INGEST_REPORT).is_file():
        refuse_other_key(settings.shoppers, keys)
    compare_people(settings)


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


def check_text_encoder(settings: Settings, release: str) -> None:
    """Encode a query with the encoder that was set, as replicas will for the release in a folder.

    Where none was set nothing is tried: replicas then open the default, or nothing.

    Raises:
        BadInputError: It is another than the release's, not there, or an API that refuses.
        UnavailableError: The store of its weights, or of the release, does not answer.
    """
    place = settings.text_encoder
    if place in ("", NONE):
        return
    files = read_files(release)
    manifest = files.manifest
    if TEXT not in manifest.encoders:
        return
    vectors = unpack_vectors(
        bytes(files.content[CONTENT]), manifest.encoders, manifest.num_items, f"{release}/{CONTENT}"
    )
    try:
        encoders = QueryEncoders(place, settings.content_key)
        encoders.try_one(manifest, vectors[TEXT].shape[1])
    except UnavailableError as error:
        if not is_address(place):
            raise
        # Words alone answer until it does, so an app begins without an API.
        print(f"warning: {SETTING}: {error}", file=sys.stderr)


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
