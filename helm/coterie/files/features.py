"""Feast's definitions and rows in this cluster: apply, materialise, or wait for the registry.

The definitions come with the image; where rows lie belongs to the cluster. Pipelines write them.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from coterie.data.stores import open_store as open_url
from coterie.data.stores import reaching
from coterie.errors import CoterieError
from coterie.imports import quick_imports

PAUSE_S = 5.0


def main(arguments: list[str] | None = None) -> None:
    """Do what the first argument says."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for work in (apply, materialise):
        command = commands.add_parser(work.__name__)
        command.add_argument("--folder", required=True, help="with feature_store.yaml")
        command.add_argument("--offline", required=True, help="URL of the folder with rows")
        command.set_defaults(work=work)
    command.add_argument("--event-log", required=True, help="URL of the log that serving has")
    command.add_argument("--releases", required=True, help="URL that pipelines release to")
    command = commands.add_parser("wait")
    command.add_argument("--registry", required=True)
    command.add_argument("--seconds", type=float, default=900.0)
    command.set_defaults(work=wait)
    given = vars(parser.parse_args(arguments))
    try:
        given.pop("work")(**given)
    except CoterieError as error:
        sys.exit(str(error))


def apply(folder: str, offline: str) -> None:
    """Register the views; what other definitions there are stays."""
    with quick_imports():
        from feast import FeatureStore

    from feature_repo.handover import register

    print(f"registered {', '.join(register(FeatureStore(folder), offline))}")


def materialise(folder: str, offline: str, event_log: str, releases: str) -> None:
    """Bring the newest offline rows online, as pipelines do after they wrote them: for an online
    store that lost what it had.

    Raises:
        SystemExit: A pipeline released, but there are no rows.
    """
    with quick_imports():
        import feast  # noqa: F401 - what follows imports it slowly

    from feature_repo.handover import VIEWS, SharedStore, refill
    from feature_repo.views import file_of

    missing = [url for url in (file_of(offline, view) for view in VIEWS) if not exists(url)]
    if missing:
        # Asked for in this case alone.
        from coterie.release.store import ReleaseStore

        found = ReleaseStore(releases).list()
        if found:
            sys.exit(
                f"{releases} holds release {found[-1]}, but {', '.join(missing)} is missing: the "
                "features step of the pipeline that made it hands these over, so everybody is a "
                "stranger. Run the pipeline again with its parameter offline as this install has it"
            )
        print(f"nothing to do: no pipeline has released to {releases} yet")
        return
    settings = Path(folder, "feature_store.yaml").read_text()
    password = os.environ.get("COTERIE_EVENT_LOG_PASSWORD", "")
    print(refill(SharedStore(offline, settings, event_log, password), told).in_words())


def told(what: str, done: int, total: int) -> None:
    """How far it is, some twenty times."""
    if done == total or done * 20 // total > max(done - 1, 0) * 20 // total:
        print(f"{what}: {done:,} of {total:,}", flush=True)


def wait(registry: str, seconds: float) -> None:
    """Return once the registry is there.

    Raises:
        SystemExit: It did not come in time.
    """
    end = time.monotonic() + seconds
    while not answered(registry):
        if time.monotonic() > end:
            sys.exit(f"{registry} is not there: did the job that applies features succeed?")
        print(f"waiting for {registry}", flush=True)
        time.sleep(PAUSE_S)


def exists(url: str) -> bool:
    """Whether there is such an object.

    Raises:
        CoterieError: The store does not answer, or does not let us.
    """
    with reaching(url):
        fs, path = open_url(url)
        fs.invalidate_cache()
        return bool(fs.exists(path))


def answered(url: str) -> bool:
    """Whether the store says that there is such an object."""
    try:
        return exists(url)
    except CoterieError as error:
        print(error, flush=True)
        return False


if __name__ == "__main__":
    main()
