"""Where this machine keeps what is made or fetched once for all processes of one user."""

import os
import tempfile
import time
from pathlib import Path
from typing import Final

_UNUSED_S: Final = 7 * 86_400


def kept_folder() -> Path:
    """Find this user's folder, which nobody else may write to.

    Raises:
        OSError: It is not ours, or cannot be made.
    """
    folder = Path(tempfile.gettempdir(), f"coterie-releases-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{folder} is somebody else's")
    return folder


def forget_unused(folder: Path) -> None:
    """Remove what nobody asked for in a week."""
    for path in folder.iterdir():
        if time.time() - path.stat().st_mtime > _UNUSED_S:
            path.unlink(missing_ok=True)
