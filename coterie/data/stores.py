"""Where folders lie: on this machine, or on any store that fsspec reaches."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import fsspec

from coterie.errors import BadInputError, UnavailableError, unresolved

_CLIENTS: Final = frozenset({"aiobotocore", "aiohttp", "botocore"})
"""Packages of stores' clients: fsspec lets some of their errors through as they are."""


def open_store(path: str) -> tuple[Any, str]:
    """Open the file system of a path, and give the path within it, without a slash at its end.

    Raises:
        BadInputError: Nothing installed knows this kind of path.
    """
    try:
        fs, folder = fsspec.core.url_to_fs(path, **options_of(path))
    except (ValueError, ImportError) as error:
        raise BadInputError(f"{path} is on no store that is known: {error}") from error
    return fs, folder.rstrip("/")


def options_of(path: str) -> dict[str, Any]:
    """Choose what fsspec is told of a path's store, wherever one is opened."""
    if not path.startswith(("s3://", "s3a://")):
        return {}
    from coterie.data import s3

    return s3.settings()


def is_local(fs: Any) -> bool:
    """Tell whether a file system of fsspec is this machine's."""
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


@contextmanager
def reaching(path: str) -> Iterator[None]:
    """Turn a store's troubles into ours; what is not there stays a FileNotFoundError.

    Raises:
        BadInputError: The store does not let us.
        UnavailableError: The store does not answer.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise BadInputError(f"{path} may not be read or written: {error}") from error
    except Exception as error:
        if not _of_store(error):
            raise
        raise UnavailableError(f"{path} does not answer: {error}{unresolved(error)}") from error


@contextmanager
def answering(trouble: str) -> Iterator[None]:
    """Turn all that a store may raise into one error, which begins with what could not be done.

    Raises:
        UnavailableError: The store raised something.
    """
    try:
        yield
    except Exception as error:
        if not _of_store(error):
            raise
        raise UnavailableError(f"{trouble}: {error}{unresolved(error)}") from error


def _of_store(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in _CLIENTS


@contextmanager
def near(fs: Any, folder: str, names: list[str]) -> Iterator[dict[str, Path]]:
    """Yield where files lie on this machine, fetched from a store for as long as they are read."""
    if is_local(fs):
        yield {name: Path(folder, name) for name in names}
        return
    with TemporaryDirectory(prefix="coterie-") as scratch:
        paths = {
            name: Path(scratch, str(number), Path(name).name) for number, name in enumerate(names)
        }
        for path in paths.values():
            path.parent.mkdir()
        with reaching(folder):
            if names:
                fs.get([f"{folder}/{name}" for name in names], [str(p) for p in paths.values()])
        yield paths
