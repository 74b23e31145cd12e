"""Pipelines into Kubeflow: a new version where one changed, and the schedule that runs it."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from coterie.errors import unresolved

PAGE = 100


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
    """A client; with the pod's token where Kubeflow has several users."""
    from kfp import Client
    from kfp.client import ServiceAccountTokenVolumeCredentials

    credentials = ServiceAccountTokenVolumeCredentials() if settings["token"] else None
    return Client(settings["endpoint"], credentials=credentials)


def upload(client: Any, path: Path, settings: dict[str, Any]) -> None:
    """Upload one pipeline, and let its schedule, if it has one, run the new version."""
    name = f"{settings['prefix']}-{path.stem}"
    content = path.read_bytes()
    version = f"{settings['version']}-{hashlib.sha256(content).hexdigest()[:12]}"
    pipeline_id = client.get_pipeline_id(name)
    if pipeline_id is None:
        space = {"namespace": settings["namespace"]} if settings["namespace"] else {}
        pipeline_id = client.upload_pipeline(str(path), name, **space).pipeline_id
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


def versions(client: Any, pipeline_id: str) -> list[Any]:
    """All versions of a pipeline."""
    found, token = [], ""
    while True:
        page = client.list_pipeline_versions(pipeline_id, page_token=token, page_size=PAGE)
        found += page.pipeline_versions or []
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
    space = {"namespace": settings["namespace"]} if settings["namespace"] else {}
    experiment_id = client.create_experiment(settings["experiment"], **space).experiment_id
    page = client.list_recurring_runs(page_size=PAGE, experiment_id=experiment_id)
    # Its name says all that it does, so that one that is right is left alone.
    what = json.dumps([version_id, how["cron"], how["parameters"]], sort_keys=True)
    wanted = f"{name}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
    runs = [one for one in page.recurring_runs or [] if one.display_name.startswith(f"{name}-")]
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
