"""Feast's definitions and rows in this cluster: apply, materialise, or wait for the registry.

The definitions come with the image; where rows lie belongs to the cluster.
"""

import argparse
import sys
import time
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.stores import open_store as open_url
from coterie.data.stores import reaching
from coterie.errors import CoterieError
from coterie.recommend.known import KNOWN

START = datetime(1970, 1, 1, tzinfo=UTC)
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
    command = commands.add_parser("wait")
    command.add_argument("--registry", required=True)
    command.add_argument("--seconds", type=float, default=900.0)
    command.set_defaults(work=wait)
    given = vars(parser.parse_args(arguments))
    given.pop("work")(**given)


def apply(folder: str, offline: str) -> None:
    """Register the views; what other definitions there are stays."""
    store, definitions = open_store(folder, offline)
    store.apply(definitions)
    print(f"registered {', '.join(definition.name for definition in definitions)}")


def materialise(folder: str, offline: str) -> None:
    """Write the newest offline rows online; rows that events wrote later stay."""
    store, definitions = open_store(folder, offline)
    views = [one for one in definitions if hasattr(one, "batch_source") and hasattr(one, "online")]
    missing = [path for path in map(path_of, views) if not exists(path)]
    if missing:
        print(f"nothing to do: {', '.join(missing)} is not there yet, the pipeline writes it")
        return
    for view in views:
        complete(view)
    store.materialize(START, datetime.now(UTC), feature_views=[view.name for view in views])


def complete(view: Any) -> None:
    """Give rows of before some columns were there these columns, without values: Feast reads none
    from a file that lacks one."""
    url = path_of(view)
    with reaching(url):
        fs, path = open_url(url)
        with fs.open(path, "rb") as file:
            rows = pq.read_table(file)
        missing = [f.name for f in view.features if f.name not in rows.column_names]
        for name in missing:
            rows = rows.append_column(name, pa.nulls(len(rows), KNOWN.field(name).type))
        if missing:
            print(f"{url} was written before {', '.join(missing)}")
            with fs.open(path, "wb") as file:
                pq.write_table(rows, file)


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


def open_store(folder: str, offline: str) -> tuple[Any, list[Any]]:
    """The store, and what we define, with rows where they are in this cluster."""
    from feast import FeatureStore

    from feature_repo.entities import user
    from feature_repo.views import shopper_recent, shopper_recent_push, shopper_ties

    for view in (shopper_recent, shopper_ties):
        view.batch_source.file_options.uri = f"{offline.rstrip('/')}/{view.name}.parquet"
    shopper_recent_push.batch_source = shopper_recent.batch_source
    return FeatureStore(folder), [user, shopper_recent_push, shopper_recent, shopper_ties]


def path_of(view: Any) -> str:
    """Where a view's rows lie."""
    return str(view.batch_source.path)


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
