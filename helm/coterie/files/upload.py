"""Pipelines into Kubeflow: a new version where one changed, and the schedule that runs it."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from coterie.errors import unresolved

PAGE = 100
OWNER = "Uploaded by install "
"""Begins a pipeline's description; its namespace and name follow."""


def main() -> None:
    """Upload all pipelines of a folder."""
    settings = json.loads(os.environ["UPLOAD_SETTINGS"])
    client = connect(settings)
    paths = sorted(Path(sys.argv[1]).glob("*.yaml"))
    unknown = set(settings["schedules"]) - {path.stem for path in paths}
    if unknown:
        sys.exit(f"no pipeline {', '.join(sorted(unknown))} to run on a schedule")
    for path in paths:
        upload(client, path, settings)


def connect(settings: dict[str, Any]) -> Any:
    """Make a client; with the pod's token where Kubeflow has several users."""
    from kfp import Client
    from kfp.client import ServiceAccountTokenVolumeCredentials

    credentials = ServiceAccountTokenVolumeCredentials() if settings["token"] else None
    return Client(settings["endpoint"], credentials=credentials)


def upload(client: Any, path: Path, settings: dict[str, Any]) -> None:
    """Upload one pipeline, and let its schedule, if it has one, run the new version."""
    name = f"{settings['prefix']}-{path.stem}"
    content = path.read_bytes()
    version = f"{settings['version']}-{hashlib.sha256(content).hexdigest()[:12]}"
    pipeline_id = find_pipeline(client, name, settings)
    if pipeline_id is None:
        about = f"{OWNER}{settings['install']}"
        made = client.upload_pipeline(str(path), name, about, **space_of(settings))
        pipeline_id = made.pipeline_id
    known = {one.display_name: one for one in versions(client, pipeline_id)}
    if version not in known:
        known[version] = client.upload_pipeline_version(str(path), version, pipeline_id)
        print(f"{name}: uploaded version {version}")
    else:
        print(f"{name}: version {version} is there already")
    version_id = known[version].pipeline_version_id
    how = settings["schedules"].get(path.stem, {"cron": "", "parameters": {}})
    check(content, how["parameters"])
    schedule(client, name, pipeline_id, version_id, how, settings)


def find_pipeline(client: Any, name: str, settings: dict[str, Any]) -> str | None:
    """Find the pipeline of this name, where it belongs to this install.

    Raises:
        SystemExit: It is another install's: both would run whatever the other one uploaded last.
    """
    # Not get_pipeline_id: that looks among what all users share alone.
    wanted = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    found = client.list_pipelines(
        filter=json.dumps({"predicates": [wanted]}), **space_of(settings)
    ).pipelines
    if not found:
        return None
    owner = (found[0].description or "").partition(OWNER)[2]
    if owner and owner != settings["install"]:
        sys.exit(
            f"pipeline {name} belongs to install {owner}, and this one is {settings['install']}: "
            "give one of them another name by nameOverride, or remove the pipeline"
        )
    return str(found[0].pipeline_id)


def space_of(settings: dict[str, Any]) -> dict[str, str]:
    """Name the namespace that all of it belongs to, where Kubeflow has several users."""
    return {"namespace": settings["namespace"]} if settings["namespace"] else {}


def versions(client: Any, pipeline_id: str) -> list[Any]:
    """All versions of a pipeline."""
    return everything(
        lambda token: client.list_pipeline_versions(pipeline_id, page_token=token, page_size=PAGE),
        "pipeline_versions",
    )


def everything(ask: Callable[[str], Any], what: str) -> list[Any]:
    """All objects of all pages."""
    found: list[Any] = []
    token = ""
    while True:
        page = ask(token)
        found += getattr(page, what) or []
        token = page.next_page_token
        if not token:
            return found


def check(content: bytes, parameters: dict[str, Any]) -> None:
    """Whether a pipeline has these parameters; all others have the defaults of this install.

    Raises:
        SystemExit: It lacks one.
    """
    inputs = next(yaml.safe_load_all(content))["root"].get("inputDefinitions", {})
    has = set(inputs.get("parameters", {}))
    unknown = set(parameters) - has
    if unknown:
        sys.exit(f"no parameter {', '.join(sorted(unknown))}: expected {', '.join(sorted(has))}")


def schedule(
    client: Any,
    name: str,
    pipeline_id: str,
    version_id: str,
    how: dict[str, Any],
    settings: dict[str, Any],
) -> None:
    """Make the schedule as it should be: the new one first, then the old ones go."""
    made = client.create_experiment(settings["experiment"], **space_of(settings))
    experiment_id = made.experiment_id
    known = everything(
        lambda token: client.list_recurring_runs(
            page_token=token, page_size=PAGE, experiment_id=experiment_id
        ),
        "recurring_runs",
    )
    # Its name says all that it does, so that one that is right is left alone.
    what = json.dumps([version_id, how["cron"], how["parameters"]], sort_keys=True)
    wanted = f"{name}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
    # Others' names may begin like ours: that of an install called coterie-train, say.
    ours = re.compile(rf"{re.escape(name)}-[0-9a-f]{{12}}")
    runs = [one for one in known if ours.fullmatch(one.display_name)]
    right = [one for one in runs if one.display_name == wanted] if how["cron"] else []
    if how["cron"] and not right:
        client.create_recurring_run(
            experiment_id,
            wanted,
            cron_expression=how["cron"],
            max_concurrency=1,
            no_catchup=True,
            pipeline_id=pipeline_id,
            version_id=version_id,
            params=how["parameters"],
            service_account=settings["service_account"],
        )
        print(f"{name}: runs at {how['cron']}")
    for one in runs:
        if one not in right:
            client.delete_recurring_run(one.recurring_run_id)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        why = unresolved(error)
        if not why:
            raise
        sys.exit(f"pipelines.endpoint {error}{why}")
