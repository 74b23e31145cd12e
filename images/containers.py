"""A command in a root file system, by runc: as root to build, or as Kubernetes would run it."""

import json
import os
import resource
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

BUILDER: Final = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID",
    "CAP_SYS_CHROOT", "CAP_AUDIT_WRITE",
]  # fmt: skip
"""What an engine that builds images leaves to root."""


@dataclass
class Image:
    """A root file system, and what its image says about running it."""

    root: str
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    shell: list[str] = field(default_factory=lambda: ["/bin/sh", "-c"])
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Beside its root file system."""
        path.write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, path: Path) -> "Image":
        """Read what ``save`` wrote."""
        return cls(**json.loads(path.read_text()))


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine, or an empty folder where ``source`` is empty."""

    target: str
    source: str = ""
    read_only: bool = False

    def spec(self) -> dict[str, Any]:
        """As runc takes it."""
        options = ["rbind", "ro" if self.read_only else "rw"]
        source = {"type": "bind", "source": self.source, "options": options}
        return {"destination": self.target, **source}


@dataclass(frozen=True)
class Container:
    """One that runs."""

    name: str
    state: str
    process: subprocess.Popen[str]

    def run(self, command: Sequence[str], seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Another command in it, under the same restrictions."""
        return subprocess.run(  # noqa: S603
            ["runc", "--root", self.state, "exec", self.name, *command],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def end(self, seconds: float = 60) -> tuple[int, str]:
        """Send SIGTERM, as Kubernetes does; the exit status and all that was said."""
        # To the first process in the container: runc hands it on.
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode, said


def build_step(image: Image, text: str, env: Mapping[str, str], mounts: Sequence[Mount]) -> None:
    """Carry out a ``RUN``: as root, with the network of this machine; what is written stays.

    Raises:
        RuntimeError: It failed.
    """
    spec = _spec(image, [*image.shell, text], env, mounts)
    _capable(spec, BUILDER)
    with _bundle(spec, new_name()) as command:
        done = subprocess.run(command, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"status {done.returncode} of RUN {text}")


@contextmanager
def restricted(
    image: Image,
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    mounts: Sequence[Mount] = (),
) -> Iterator[Container]:
    """Start a command as the chart does, without any network but its own loopback.

    As the image's user, with a read-only root file system, no capabilities, no new privileges;
    what still runs on leaving is killed.
    """
    user, _, group = image.user.partition(":")
    with tempfile.TemporaryDirectory(prefix="coterie-volumes-") as folder:
        volumes = [mount if mount.source else _empty(mount, folder, int(group)) for mount in mounts]
        spec = _spec(image, command, env or {}, volumes)
        _restrict(spec, int(user), int(group))
        with _running(spec) as container:
            yield container


def _empty(mount: Mount, folder: str, group: int) -> Mount:
    """As Kubernetes makes an emptyDir for a pod with this fsGroup."""
    path = Path(tempfile.mkdtemp(dir=folder))
    os.chown(path, 0, group)
    path.chmod(0o2777)
    return replace(mount, source=str(path))


def _restrict(spec: dict[str, Any], user: int, group: int) -> None:
    # fsGroup puts the group among the others.
    spec["process"]["user"] = {"uid": user, "gid": group, "additionalGids": [group]}
    spec["root"]["readonly"] = True
    spec["process"]["noNewPrivileges"] = True
    spec["linux"]["namespaces"].append({"type": "network"})
    _capable(spec, [])


@contextmanager
def _running(spec: dict[str, Any]) -> Iterator[Container]:
    name = new_name()
    with _bundle(spec, name) as run:
        process = subprocess.Popen(  # noqa: S603
            run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            yield Container(name, run[2], process)
        finally:
            kill = [*run[:3], "kill", "--all", name, "KILL"]
            subprocess.run(kill, capture_output=True, check=False)  # noqa: S603
            process.wait(timeout=30)


def finished(
    image: Image,
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    mounts: Sequence[Mount] = (),
    seconds: float = 120,
) -> tuple[int, str]:
    """Let a command come to its end; its status, and all that it said."""
    with restricted(image, command, env, mounts) as container:
        said, _ = container.process.communicate(timeout=seconds)
        return container.process.returncode, said


def new_name() -> str:
    """Of one container: it names its control group, too, which two would share by one name."""
    return f"coterie-{uuid.uuid4().hex[:8]}"


@contextmanager
def _bundle(spec: dict[str, Any], name: str) -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory(prefix="coterie-runc-") as folder:
        Path(folder, "config.json").write_text(json.dumps(spec))
        yield ["runc", "--root", f"{folder}/state", "run", "--bundle", folder, name]


def _spec(
    image: Image, command: Sequence[str], env: Mapping[str, str], mounts: Sequence[Mount]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["runc", "spec"], cwd=folder, check=True)  # noqa: S607
        spec: dict[str, Any] = json.loads(Path(folder, "config.json").read_text())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    spec["root"] = {"path": image.root, "readonly": False}
    spec["process"] |= {
        "terminal": False,
        "noNewPrivileges": False,
        "args": list(command),
        "env": [f"{key}={value}" for key, value in {**image.env, **env}.items()],
        "cwd": image.workdir,
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": most, "soft": most}],
    }
    # Those of the file system need what a machine may not have, and nothing here reads them.
    spec["mounts"] = [one for one in spec["mounts"] if one["type"] != "cgroup"]
    spec["mounts"] += [mount.spec() for mount in mounts]
    kinds = ("pid", "ipc", "uts", "mount")
    spec["linux"]["namespaces"] = [{"type": kind} for kind in kinds]
    return spec


def _capable(spec: dict[str, Any], capabilities: list[str]) -> None:
    kinds = ("bounding", "effective", "permitted")
    spec["process"]["capabilities"] = dict.fromkeys(kinds, capabilities)


def wait(true: Any, seconds: float, every: float = 1.0) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
