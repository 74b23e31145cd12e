"""What a release says of itself: read first, believed only after every check."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from coterie.data.repurchase import RepurchaseRule
from coterie.errors import BadInputError
from coterie.privacy.promise import Promise
from coterie.release.encoders import ReleasedEncoder, parse_encoders
from coterie.schema import SCHEMA_VERSION

FORMAT: Final = "coterie-release"
MANIFEST: Final = "manifest.json"
PARAMETERS: Final = "parameters.safetensors"
POPULARITY: Final = "popularity.safetensors"
CATALOGUE: Final = "items.parquet"
CONTENT: Final = "content.safetensors"
"""Vectors of items; only in a release whose manifest names encoders."""
DESCRIBED: Final = "described.parquet"
"""What a language model said of items; only in a release of a shop that lets one describe them."""
FILES: Final = (PARAMETERS, POPULARITY, CATALOGUE)
"""What every release holds beside its manifest: but for ``CONTENT`` and ``DESCRIBED``, nothing else
is read, and nothing else may be there."""

MAX_MANIFEST_BYTES: Final = 1 << 20
MAX_FILE_BYTES: Final = 64 << 30
MAX_ITEMS: Final = 1 << 31
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What a file of the release must be, byte for byte; ``size`` counts them."""

    sha256: str
    size: int

    @classmethod
    def of(cls, data: bytes) -> "FileDigest":
        """Digest a file's whole content."""
        return cls(hashlib.sha256(data).hexdigest(), len(data))


@dataclass(frozen=True, slots=True)
class Manifest:
    """One release, described."""

    version: str
    schema_version: int
    created_at: str
    """ISO 8601, UTC."""
    code_version: str
    data_fingerprint: str
    num_items: int
    per_item: tuple[str, ...]
    """Parameters that have one row an item."""
    metrics: Mapping[str, Any]
    """Figures by which it was made: names to numbers, nested as the maker likes."""
    limits: Mapping[str, float]
    """Limits that the gate held the release to."""
    files: Mapping[str, FileDigest]
    repurchase: Mapping[str, float | None] = field(default_factory=dict)
    """When what was bought may be listed again: ``RepurchaseRule.days``; none in releases of before
    it was known, whose lists never show again what was had."""
    encoders: Mapping[str, ReleasedEncoder] = field(default_factory=dict)
    """What made the vectors of items in ``CONTENT``, by kind; none in a release without."""
    bound: Promise | None = None
    """What is promised of any one person whose events it was made of; None: nothing."""

    def to_json(self) -> bytes:
        """Write the bytes of ``manifest.json``.

        Raises:
            BadInputError: A figure is not a finite number, or no JSON at all.
        """
        told = {"format": FORMAT, **asdict(self)}
        if not self.encoders:
            # Without content a release is, byte for byte, what it was before there was any.
            del told["encoders"]
        if self.bound is None:
            del told["bound"]
        try:
            text = json.dumps(told, indent=2, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise BadInputError(
                f"metrics and limits of release {self.version} cannot be written ({error}): "
                "give finite numbers, and None where there is no figure"
            ) from error
        return text.encode() + b"\n"


def check_version(version: object) -> str:
    """Give a version back if it is safe as the name of a folder, and refuse others.

    Raises:
        BadInputError: It is empty, too long, or holds anything but letters, digits and ``._-``.
    """
    if not isinstance(version, str) or not _VERSION.fullmatch(version) or ".." in version:
        raise BadInputError(
            f"release version {version!r}: use up to 64 letters, digits, dots, dashes and "
            "underscores, beginning with a letter or digit"
        )
    return version


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Read a manifest without trusting it.

    Args:
        data: Content of ``manifest.json``.
        where: The release's folder, for the error's text.

    Raises:
        BadInputError: It is not ours, of a newer schema, or says something impossible.
    """
    fields = _fields(data, where)
    _check_schema(fields.get("schema_version"), where)
    files = fields.get("files")
    expected = (*FILES, CONTENT) if fields.get("encoders") else FILES
    if isinstance(files, dict) and DESCRIBED in files:
        expected = (*expected, DESCRIBED)
    if not isinstance(files, dict) or set(files) != set(expected):
        named = sorted(files) if isinstance(files, dict) else files
        raise BadInputError(
            f"{where}: manifest names the files {named}, expected {sorted(expected)}"
        )
    try:
        return Manifest(
            version=check_version(fields["version"]),
            schema_version=fields["schema_version"],
            created_at=datetime.fromisoformat(fields["created_at"]).isoformat(),
            code_version=_text(fields["code_version"]),
            data_fingerprint=_text(fields["data_fingerprint"]),
            num_items=_count(fields["num_items"], 1, MAX_ITEMS),
            per_item=tuple(_text(name) for name in fields["per_item"]),
            metrics=dict(fields["metrics"]),
            limits={_text(name): _number(value) for name, value in fields["limits"].items()},
            files={name: _digest(files[name]) for name in expected},
            repurchase=dict(RepurchaseRule(fields.get("repurchase", {})).days),
            encoders=parse_encoders(fields.get("encoders", {})),
            bound=Promise.from_json(fields["bound"]) if "bound" in fields else None,
        )
    except BadInputError as error:
        raise BadInputError(f"{where}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInputError(
            f"{where}: manifest is damaged ({type(error).__name__}: {error}); "
            "fetch the release again from its store"
        ) from error


def _fields(data: bytes, where: str) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{where}: {MANIFEST} is no JSON ({error})") from error
    found = fields.get("format") if isinstance(fields, dict) else type(fields).__name__
    if found != FORMAT:
        raise BadInputError(
            f"{where}: not a Coterie release: manifest's format is {found!r}, expected {FORMAT!r}"
        )
    assert isinstance(fields, dict)
    return fields


def _check_schema(found: object, where: str) -> None:
    if type(found) is not int or found < 1:
        raise BadInputError(f"{where}: schema version {found!r} is no positive whole number")
    if found > SCHEMA_VERSION:
        raise BadInputError(
            f"{where}: schema version {found} is newer than this code's {SCHEMA_VERSION}: "
            "upgrade Coterie, or choose an older release"
        )


def _digest(entry: Mapping[str, Any]) -> FileDigest:
    sha256 = _text(entry["sha256"])
    if not _SHA256.fullmatch(sha256):
        raise BadInputError(f"{sha256!r} is no SHA-256 digest")
    return FileDigest(sha256, _count(entry["size"], 1, MAX_FILE_BYTES))


def _count(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise BadInputError(f"{value!r} is no whole number from {least} to {most}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadInputError(f"limit {value!r} is no finite number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadInputError(f"{value!r} should be text")
    return value
