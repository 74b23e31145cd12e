"""A release's bytes, held against its manifest; what is in them is for ``bundle`` to tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from coterie.data.stores import answering, options_of
from coterie.errors import BadInputError
from coterie.release.kept import Buffer, keep, kept
from coterie.release.manifest import (
    CONTENT,
    DESCRIBED,
    FILES,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    PARAMETERS,
    FileDigest,
    Manifest,
    parse_manifest,
)


@dataclass(frozen=True, slots=True)
class ReleaseFiles:
    """The files of a release, each the one that its manifest names."""

    manifest: Manifest
    content: Mapping[str, bytes | Buffer]
    """Content of each file that the manifest names, by name; what is large is mapped."""
    digest: str
    """SHA-256 of the manifest."""


def read_files(folder: str) -> ReleaseFiles:
    """Read a release's files, and check that they are ours and whole.

    Args:
        folder: A local folder or any URL that fsspec opens (``s3://shop/releases/v7``).

    Raises:
        BadInputError: Files are missing, extra, truncated or changed; or it is no release of ours,
            or one of a newer schema.
        UnavailableError: The store did not answer.
    """
    with answering(f"cannot read release {folder}"):
        return _read(folder)


def _read(folder: str) -> ReleaseFiles:
    fs, root = fsspec.url_to_fs(folder, **options_of(folder))
    sizes = _sizes(fs, root, folder)
    if sizes[MANIFEST] > MAX_MANIFEST_BYTES:
        raise BadInputError(f"{folder}: {MANIFEST} has {sizes[MANIFEST]} bytes: not ours")
    described = fs.cat_file(f"{root}/{MANIFEST}")
    manifest = parse_manifest(described, folder)
    _check_names(set(sizes), {MANIFEST, *manifest.files}, folder)
    # Sizes first: nothing big is read on the word of a manifest that is wrong already.
    for name, digest in manifest.files.items():
        if sizes[name] != digest.size:
            raise BadInputError(
                f"{folder}: {name} has {sizes[name]} bytes, its manifest says {digest.size}: "
                "truncated or changed; fetch the release again from its store"
            )
    content: dict[str, bytes | Buffer] = {}
    for name, digest in manifest.files.items():
        # What was checked is what is parsed: the bytes in hand, not a second reading.
        held = kept(digest) if name == PARAMETERS else None
        if held is None or isinstance(fs, LocalFileSystem):
            data = fs.cat_file(f"{root}/{name}")
            if FileDigest.of(data) != digest:
                raise BadInputError(
                    f"{folder}: {name} does not match the digest in its manifest: "
                    "changed after it was made; fetch the release again from its store"
                )
            content[name] = keep(data, digest) if name == PARAMETERS and held is None else data
        if held is not None:
            content[name] = held
    return ReleaseFiles(manifest, content, FileDigest.of(described).sha256)


def _sizes(fs: Any, root: str, folder: str) -> dict[str, int]:
    if not fs.isdir(root):
        raise BadInputError(f"{folder} is no folder: give the folder of a release")
    fs.invalidate_cache()
    sizes = {PurePosixPath(entry["name"]).name: entry for entry in fs.ls(root, detail=True)}
    if MANIFEST not in sizes:
        raise BadInputError(f"{folder} holds no {MANIFEST}: not a release, or never finished")
    # Whether there are vectors, or descriptions, is the manifest's to say, which is read next.
    _check_names(set(sizes) - {CONTENT, DESCRIBED}, {MANIFEST, *FILES}, folder)
    odd = [name for name, e in sizes.items() if e["type"] != "file" or e.get("islink")]
    if odd:
        raise BadInputError(f"{folder}: {odd} should be plain files")
    return {name: int(entry["size"]) for name, entry in sizes.items()}


def _check_names(found: set[str], expected: set[str], folder: str) -> None:
    missing, extra = sorted(expected - found), sorted(found - expected)
    if missing or extra:
        raise BadInputError(
            f"{folder}: missing files {missing}, unexpected files {extra}: a release holds "
            f"{sorted(expected)} and nothing else"
        )
