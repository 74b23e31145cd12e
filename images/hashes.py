"""A folder of wheels as requirements with hashes: ``python images/hashes.py FOLDER``.

pip then installs these very files, or nothing.
"""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path


def requirements(folder: Path) -> Iterator[str]:
    """Write a line for each wheel, in the order of their names."""
    for wheel in sorted(folder.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        yield f"{name}=={version} --hash=sha256:{digest}"


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]))))
