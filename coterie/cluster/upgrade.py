"""The second tier: new code, image or Ray version, and the way back.

    python -m coterie.cluster.upgrade record --namespace shop --service coterie
    python -m coterie.cluster.upgrade back --namespace shop --service coterie --reason WHY

KubeRay brings up a new RayCluster when ``rayClusterConfig`` changes. Code and configuration belong
together, so both are recorded before a change, and both go back in one request: with one alone, old
code would for a while be told what only new code knows, or the other way round. The configuration's
template goes back with them, or the controller would make the newer one of it again. What is live
is the controller's: it goes on with the release that its rollout store names.
"""

import argparse
import json
import sys
from typing import Any, Final

from coterie.cluster.api import CONFIG_MAPS, RAY_SERVICES, Cluster, Object
from coterie.cluster.arms import upgrading
from coterie.cluster.served import TEMPLATE, compose, read_live, template_of
from coterie.errors import BadInputError, CoterieError

FIELDS: Final = ("rayClusterConfig", "serveConfigV2")
PAIR: Final = "before.json"


def record(cluster: Cluster, name: str) -> None:
    """Write down what runs, before it is changed.

    Raises:
        BadInputError: It does not run well, or is being changed already: nothing to go back to.
        UnavailableError: The API did not answer.
    """
    service = cluster.get(RAY_SERVICES, name)
    if upgrading(service) or not _ready(service):
        raise BadInputError(
            f"RayService {name} is not ready, or is being upgraded: record what runs once it does"
        )
    pair = {field: service["spec"][field] for field in FIELDS} | {TEMPLATE: _template(service)}
    data = {"data": {PAIR: json.dumps(pair)}}
    if cluster.find(CONFIG_MAPS, _config_map(name)) is None:
        cluster.create(CONFIG_MAPS, _config_map(name), data)
    else:
        cluster.patch(CONFIG_MAPS, _config_map(name), data)


def roll_back(cluster: Cluster, name: str, why: str) -> bool:
    """Put fields and template back as they were recorded, in one request.

    Returns:
        Whether anything was changed: nothing is if they are as recorded.

    Raises:
        BadInputError: Nothing was recorded, or no reason was given.
        UnavailableError: It did not work this time; nothing was changed.
    """
    if not why.strip():
        raise BadInputError("a rollback needs a reason: say why")
    pair = _recorded(cluster, name)
    service = cluster.get(RAY_SERVICES, name)
    spec = {
        **service["spec"],
        "rayClusterConfig": pair["rayClusterConfig"],
        "serveConfigV2": _configuration(pair, service),
    }
    if spec == service["spec"] and pair[TEMPLATE] == _template(service):
        return False
    # Replaced, not merged: what the newer configuration added has to go as well.
    values = {"/spec": spec}
    if pair[TEMPLATE] != _template(service):
        values["/metadata/annotations"] = _annotations(service, pair[TEMPLATE])
    version = service["metadata"]["resourceVersion"]
    changed = cluster.replace(RAY_SERVICES, name, values, version)
    cluster.tell(changed, "RolledBack", f"code and configuration went back: {why}", warning=True)
    return True


def _recorded(cluster: Cluster, name: str) -> dict[str, Any]:
    found = cluster.find(CONFIG_MAPS, _config_map(name)) or {}
    try:
        pair = json.loads(found["data"][PAIR])
        # One that was made with an older chart has no template.
        return {TEMPLATE: pair.get(TEMPLATE), **{field: pair[field] for field in FIELDS}}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            f"ConfigMap {_config_map(name)} holds nothing to go back to ({error!r}): "
            "record what runs before each change"
        ) from error


def _configuration(pair: dict[str, Any], service: Object) -> str:
    """Compose the recorded configuration with what is live now."""
    text: str = pair["serveConfigV2"]
    annotations = {} if pair[TEMPLATE] is None else {TEMPLATE: pair[TEMPLATE]}
    recorded = {"metadata": {"annotations": annotations}, "spec": {"serveConfigV2": text}}
    try:
        return compose(template_of(recorded), read_live(service))
    except BadInputError:
        return text


def _template(service: Object) -> str | None:
    found: str | None = (service["metadata"].get("annotations") or {}).get(TEMPLATE)
    return found


def _annotations(service: Object, template: str | None) -> dict[str, str]:
    others = {n: v for n, v in service["metadata"]["annotations"].items() if n != TEMPLATE}
    return others if template is None else {**others, TEMPLATE: template}


def _ready(service: Object) -> bool:
    status = service.get("status", {})
    current = status.get("observedGeneration") == service["metadata"].get("generation")
    return current and any(
        one.get("type") == "Ready" and one.get("status") == "True"
        for one in status.get("conditions", ())
    )


def _config_map(name: str) -> str:
    return f"{name}-before"


def main(arguments: list[str] | None = None) -> int:
    """Record what runs or go back to it, and give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m coterie.cluster.upgrade",
        description="Record what a RayService runs, or put it back as it was recorded.",
    )
    parser.add_argument(
        "do", choices=("record", "back"), help="before a change, and after a bad one"
    )
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--service", required=True, help="name of the RayService")
    parser.add_argument("--reason", default="", help="why it goes back; kept in an Event")
    asked = parser.parse_args(arguments)
    try:
        cluster = Cluster.connect(asked.namespace)
        if asked.do == "record":
            record(cluster, asked.service)
            print(
                f"what {asked.service} runs is recorded in ConfigMap {_config_map(asked.service)}"
            )
        elif roll_back(cluster, asked.service, asked.reason):
            print(f"{asked.service} goes back: watch kubectl get rayservice {asked.service}")
        else:
            print(f"{asked.service} is as it was recorded: nothing was changed")
    except CoterieError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
