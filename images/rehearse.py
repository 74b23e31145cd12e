"""Build the images without an engine: ``python images/rehearse.py FOLDER``, as root.

The base image is Debian's own packages (debootstrap) and an interpreter of this machine; each
``RUN`` of ``images/Dockerfile`` is run in it (runc), in order. What comes of it lies in FOLDER, for
``COTERIE_ROOTFS=FOLDER pytest tests/images``, which starts every command of the chart in it.

A stage that is there is taken as it is: remove its STAGE.json, and those of stages after it, to
make it anew. This shows what the commands do. It makes no image: layers and labels are an engine's.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import dockerfile
from containers import Image, Mount, build_step
from dockerfile import DOCKERFILE, Stage

ROOT: Final = Path(__file__).parents[1]
PATH: Final = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
OF_THE_BASE: Final = (
    "ca-certificates,libbz2-1.0,libcrypt1,libdb5.3,libffi8,libgdbm6,liblzma5,libncursesw6,"
    "libnsl2,libreadline8,libsqlite3-0,libssl3,libuuid1,netbase,tzdata,zlib1g"
)
"""What python:slim adds to Debian for its interpreter."""
BUILD: Final = "build"
"""The stage that fetches packages, so the one that is told where from."""


def rehearse(
    folder: Path, python: Path, arguments: Mapping[str, str], mounts: Sequence[Mount]
) -> None:
    """All stages, each in a folder of its own; one that is there already is taken as it is.

    Raises:
        RuntimeError: A ``RUN`` failed.
    """
    images: dict[str, Image] = {}
    for stage in dockerfile.stages(DOCKERFILE.read_text(), arguments).values():
        done = folder / f"{stage.name}.json"
        if not done.exists():
            parent = images.get(stage.parent) or base(folder, stage.parent, python)
            image = copied(parent, folder / stage.name)
            follow(stage, image, images, arguments, mounts if stage.name == BUILD else ())
            image.save(done)
        images[stage.name] = Image.load(done)


def base(folder: Path, name: str, python: Path) -> Image:
    """Stands for an image of the name python:VERSION-slim-RELEASE."""
    root, done = folder / "debian", folder / "debian.json"
    if not done.exists():
        shutil.rmtree(root, ignore_errors=True)
        release = name.rpartition("-")[2]
        command = ["debootstrap", "--variant=minbase", f"--include={OF_THE_BASE}", release]
        subprocess.run([*command, str(root)], check=True)  # noqa: S603
        interpreter(python, root / "usr/local")
        image = Image(str(root), {"PATH": PATH, "LANG": "C.UTF-8"}, cmd=["python3"])
        build_step(image, "ldconfig && python -m ensurepip --default-pip && pip --version", {}, ())
        image.save(done)
    return Image.load(done)


def interpreter(python: Path, target: Path) -> None:
    """Copy one that was built for the same Debian, without its packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    leave = shutil.ignore_patterns("site-packages", "__pycache__", "test")
    shutil.copytree(python / "lib" / version, target / "lib" / version, ignore=leave)
    (target / "lib" / version / "site-packages").mkdir()
    for library in (python / "lib").glob("libpython3*.so*"):
        shutil.copy(library, target / "lib", follow_symlinks=False)
    shutil.copy(python / "bin" / version, target / "bin" / version)
    for name in ("python", "python3"):
        (target / "bin" / name).symlink_to(version)


def copied(parent: Image, root: Path) -> Image:
    """Begin a stage as its parent ended."""
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "--archive", "--reflink=auto", parent.root, str(root)], check=True)  # noqa: S603, S607
    return Image(str(root), dict(parent.env), parent.workdir, parent.user, cmd=parent.cmd)


def follow(
    stage: Stage,
    image: Image,
    images: Mapping[str, Image],
    given: Mapping[str, str],
    mounts: Sequence[Mount],
) -> None:
    """Do what the instructions say."""
    arguments: dict[str, str] = {}
    for keyword, rest in stage.instructions:
        if keyword == "RUN":
            bound, command = dockerfile.mounts(rest)
            print(f"[{stage.name}] RUN {command[:100]}", flush=True)
            here = [Mount(b["target"], images[b["from"]].root + b["source"], True) for b in bound]
            build_step(image, command, _pip(mounts) | arguments, [*mounts, *here])
        elif keyword == "ARG":
            arguments |= dockerfile.argument(rest, given)
        elif keyword == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(ROOT / source, Path(image.root + image.workdir) / target, source)
        else:
            _set(image, keyword, rest)


def _set(image: Image, keyword: str, rest: str) -> None:
    if keyword == "ENV":
        image.env |= dockerfile.pairs(rest)
    elif keyword == "WORKDIR":
        image.workdir = rest
        Path(image.root + rest).mkdir(parents=True, exist_ok=True)
    elif keyword == "USER":
        image.user = rest
    elif keyword == "HEALTHCHECK":
        image.health = dockerfile.words(rest.partition(" CMD ")[2])
    elif keyword in ("SHELL", "ENTRYPOINT", "CMD"):
        setattr(image, keyword.lower(), dockerfile.words(rest))


def _copy(source: Path, target: Path, name: str) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target = target / source.name if target.name != Path(name).name else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _pip(mounts: Sequence[Mount]) -> dict[str, str]:
    """Where this machine's pip looks for packages, for the stage that may know."""
    return {key: v for key, v in os.environ.items() if mounts and key.startswith("PIP_")}


def main() -> None:
    """Build; say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="takes some 8 GB")
    parser.add_argument("--python", type=Path, default=Path(sys.base_prefix), metavar="PREFIX")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--mount", action="append", default=[], help="folder that the build stage may read (pip)"
    )
    given = parser.parse_args()
    missing = [tool for tool in ("debootstrap", "runc") if not shutil.which(tool)]
    missing += ["root"] if os.geteuid() else []
    if missing:
        sys.exit(f"needs {', '.join(missing)}")
    given.folder.mkdir(parents=True, exist_ok=True)
    arguments = dict(one.split("=", 1) for one in given.build_arg)
    mounts = [Mount(one, one, True) for one in ["/etc/resolv.conf", *given.mount]]
    rehearse(given.folder.absolute(), given.python, arguments, mounts)


if __name__ == "__main__":
    main()
