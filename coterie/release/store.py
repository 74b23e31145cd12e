"""Where releases live: a folder or a bucket that only ever grows, and one pointer in it."""

import json
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import fsspec
from fsspec.implementations.local import LocalFileSystem

from coterie.data.stores import answering, options_of
from coterie.errors import BadInputError
from coterie.files import write_atomically
from coterie.release.manifest import (
    MANIFEST,
    FileDigest,
    Manifest,
    check_version,
    parse_manifest,
)

if TYPE_CHECKING:
    from coterie.release.bundle import Release

CHAMPION: Final = "champion.json"


class ReleaseStore:
    """Releases by version under one root, local or remote (``s3://``, any fsspec URL).

    A release is there once its manifest is, which is written last: a publisher that dies half-way
    leaves files that no reader takes for a release, and that the same publisher may complete.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._fs, self._path = fsspec.url_to_fs(self.root, **options_of(self.root))

    def publish(self, folder: str) -> "Release":
        """Copy a release into the store, checked before and after.

        Publishing the very same release again changes nothing.

        Args:
            folder: A release as ``write_release`` left it.

        Raises:
            BadInputError: The release is damaged, or another one has its version.
            UnavailableError: The store did not answer.
        """
        release = _load(folder)
        with answering(f"cannot publish to {self.root}"):
            self._copy(folder, release)
        return self.get(release.version)

    def list(self) -> tuple[str, ...]:
        """List the versions in the store, oldest first."""
        with answering(f"cannot list releases of {self.root}"):
            self._fs.invalidate_cache()
            found = self._fs.glob(f"{self._path}/*/{MANIFEST}")
            versions = [PurePosixPath(path).parent.name for path in found]
            made = {v: self._manifest(v)[0].created_at for v in versions if not v.startswith(".")}
        return tuple(sorted(made, key=lambda v: (datetime.fromisoformat(made[v]), v)))

    def latest(self) -> str | None:
        """Find the newest version, champion or not; None in an empty store."""
        versions = self.list()
        return versions[-1] if versions else None

    def get(self, version: str) -> "Release":
        """Read one release, verified.

        Raises:
            BadInputError: There is no such version, or it is damaged.
            UnavailableError: The store did not answer.
        """
        return _load(self.folder(version))

    def folder(self, version: str) -> str:
        """Find where a version lies, as ``load_release`` takes it.

        Raises:
            BadInputError: There is no such version.
        """
        path = f"{self._path}/{check_version(version)}/{MANIFEST}"
        if not self._exists(path):
            raise BadInputError(
                f"{self.root} holds no release {version!r}, only {list(self.list())}"
            )
        return f"{self.root}/{version}"

    def digests(self) -> dict[str, str]:
        """Digest of each release's manifest to its version; the rest of it is not looked at.

        Raises:
            UnavailableError: The store did not answer.
        """
        with answering(f"cannot list releases of {self.root}"):
            self._fs.invalidate_cache()
            paths = self._fs.glob(f"{self._path}/*/{MANIFEST}")
            return {
                FileDigest.of(self._fs.cat_file(path)).sha256: PurePosixPath(path).parent.name
                for path in paths
            }

    def by_digest(self, digest: str) -> str:
        """Find where the release with this digest lies, as ``load_release`` takes it.

        Raises:
            BadInputError: There is none.
            UnavailableError: The store did not answer.
        """
        known = self.digests()
        if digest not in known:
            raise BadInputError(
                f"{self.root} holds no release with digest {digest[:12]} among {len(known)}: "
                "publish it there first"
            )
        return f"{self.root}/{known[digest]}"

    def champion(self) -> str | None:
        """Read the version that shoppers get; None as long as no controller has crowned one.

        Raises:
            BadInputError: The pointer is damaged, or its release changed since it was crowned.
        """
        path = f"{self._path}/{CHAMPION}"
        if not self._exists(path):
            return None
        try:
            with answering(f"cannot read {self.root}/{CHAMPION}"):
                pointer = json.loads(self._fs.cat_file(path))
                version, digest = check_version(pointer["version"]), pointer["digest"]
                found = self._manifest(version)[1]
        except (ValueError, KeyError, TypeError) as error:
            raise BadInputError(
                f"{self.root}/{CHAMPION} is damaged ({error}): remove it; the rollout's controller "
                "writes it when it begins"
            ) from error
        if found != digest:
            raise BadInputError(
                f"release {version} in {self.root} is not the one that was crowned "
                f"(digest {found[:12]}, expected {str(digest)[:12]}): publish that one again, "
                "or roll another one out"
            )
        return version

    def crown(self, version: str) -> None:
        """Make a release the champion, in one write that readers see whole or not at all.

        Its manifest alone is read: what is crowned was loaded before by those who serve it.

        Raises:
            BadInputError: There is no such version, or its manifest is damaged.
            UnavailableError: The store did not answer, or does not let us write.
        """
        self.folder(version)
        with answering(f"cannot write {self.root}/{CHAMPION}"):
            pointer = {
                "version": version,
                "digest": self._manifest(version)[1],
                "crowned_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            self._replace(f"{self._path}/{CHAMPION}", json.dumps(pointer).encode())

    def _copy(self, folder: str, release: "Release") -> None:
        source, root = fsspec.url_to_fs(folder, **options_of(folder))
        target = f"{self._path}/{release.version}"
        self._fs.makedirs(target, exist_ok=True)
        self._fs.invalidate_cache()
        expected = {name: one.sha256 for name, one in release.manifest.files.items()}
        # The manifest last: before it, no reader takes the folder for a release.
        for name in (*expected, MANIFEST):
            data = source.cat_file(f"{root}/{name}")
            sha256 = expected.get(name, release.digest)
            self._put_once(f"{target}/{name}", data, sha256, release.version)

    def _put_once(self, path: str, data: bytes, sha256: str, version: str) -> None:
        """Create a file; where it is there already, it must be the same."""
        if self._exists(path):
            if FileDigest.of(self._fs.cat_file(path)).sha256 != sha256:
                raise BadInputError(
                    f"{self.root} holds another release {version} (its {PurePosixPath(path).name} "
                    "differs): releases are never overwritten, choose a new version"
                )
            return
        self._replace(path, data)

    def _replace(self, path: str, data: bytes) -> None:
        # Object stores put whole objects; a disk writes byte by byte, so there we rename.
        if not isinstance(self._fs, LocalFileSystem):
            self._fs.pipe_file(path, data)
            return
        # A release's own folder holds nothing else, not even after a kill.
        write_atomically(path, data, scratch=self._path)

    def _manifest(self, version: str) -> tuple[Manifest, str]:
        data: bytes = self._fs.cat_file(f"{self._path}/{version}/{MANIFEST}")
        return parse_manifest(data, f"{self.root}/{version}"), FileDigest.of(data).sha256

    def _exists(self, path: str) -> bool:
        with answering(f"cannot reach {self.root}"):
            self._fs.invalidate_cache()
            return bool(self._fs.exists(path))

    def __repr__(self) -> str:
        return f"ReleaseStore({self.root!r})"


def _load(folder: str) -> "Release":
    # Torch comes with it, seconds on a slow machine: who asks what there is needs no content.
    from coterie.release.bundle import load_release

    return load_release(folder)
