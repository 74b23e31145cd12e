"""``coterie serve``: a feature store filled from clean tables, then the app in our place.

Both are programs of the same wheel that the library does not import: they are started by name.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from coterie.access.at_home import KEY_FILE, own_key
from coterie.cli import show
from coterie.data.load import fingerprint_of, refuse_other_key
from coterie.data.pseudonyms import PseudonymKeys
from coterie.errors import BadInputError
from coterie.files import write_atomically
from coterie.release.bundle import Release

FILLED: Final = "filled.json"
"""In the folder of features, written last: whose they are."""
_FILL: Final = "feature_repo.materialise"
_APP: Final = "serving.app"
_NEEDED: Final = ("fastapi", "feast", "ray", "feature_repo", "serving")
_AT_HOME: Final = ("127.0.0.1", "localhost", "::1")
_QUIET: Final = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "ignore",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TQDM_DISABLE": "1",
}
"""They tell a person what to know, and their logs the rest."""


def serve(options: argparse.Namespace, release: Release, folder: str) -> None:
    """Fill a feature store where it is not that of these tables, and become the app.

    Args:
        options: As typed.
        release: What is served.
        folder: Where it lies.

    Raises:
        BadInputError: Something that serving needs is not installed, or the data are not clean.
    """
    _refuse_lacking()
    state = Path(options.state or Path(options.model, "serving"))
    features = state / "features"
    fingerprint = fingerprint_of(options.data)
    refuse_other_key(options.data, PseudonymKeys.read(os.environ))
    if release.manifest.data_fingerprint != fingerprint:
        show.say(
            f"Release {release.version} was trained on other tables than those in {options.data}: "
            "lists draw on these, with what it learned from those"
        )
    environment = {**os.environ, **_QUIET}
    if not _is_filled(features, fingerprint):
        show.say(f"Filling the feature store in {features}")
        _fill(options.data, features, release.version, environment)
        write_atomically(features / FILLED, json.dumps({"data_fingerprint": fingerprint}) + "\n")
    alone = options.host in _AT_HOME
    given, key = own_key(state, alone, environment)
    environment |= given
    command = [
        *(sys.executable, "-m", _APP, "--release", folder, "--features", str(features)),
        *("--state", str(state), "--host", options.host, "--port", str(options.port)),
    ]
    if alone if options.storefront is None else options.storefront:
        command += ["--storefront", "--shoppers", options.data]
        command += ["--pictures", options.pictures] if options.pictures else []
    show.say(f"Release {release.version} will answer at http://{options.host}:{options.port}/")
    if key:
        opens = "what else there is" if alone else "it"
        show.say(f"A key that opens {opens} is in {state / KEY_FILE}; coterie keys makes others")
    show.say("Ctrl-C stops it; what shoppers do until then is kept in " + str(state))
    sys.stdout.flush()
    # In our place, not beside us: Ctrl-C and SIGTERM reach the one who has to stop cleanly.
    os.execve(sys.executable, command, environment)  # noqa: S606 (our own program)


def _refuse_lacking() -> None:
    lacking = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if lacking:
        raise BadInputError(
            f"serving needs {', '.join(lacking)}, which is not installed: "
            "pip install 'coterie[serve]'"
        )


def _is_filled(features: Path, fingerprint: str) -> bool:
    """Tell whether the feature store is filled: anew, it would lose what shoppers did since."""
    try:
        content = json.loads((features / FILLED).read_text())
    except (FileNotFoundError, ValueError):
        return False
    return bool(content.get("data_fingerprint") == fingerprint)


def _fill(clean: str, features: Path, version: str, environment: dict[str, str]) -> None:
    shutil.rmtree(features, ignore_errors=True)
    command = [sys.executable, "-m", _FILL, clean, str(features), "--version", version]
    # What Feast prints is of no use to a person; errors come on the other stream.
    ended = subprocess.run(  # noqa: S603 (our own program)
        command, env=environment, stdout=subprocess.DEVNULL, check=False
    ).returncode
    if ended:
        # It has said why.
        raise SystemExit(ended)
