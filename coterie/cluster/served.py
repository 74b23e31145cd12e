"""What Ray Serve runs: ``RayService.spec.serveConfigV2``, made of a template and of what is live.

The chart writes the template, as an annotation, and leaves ``user_config`` null in the deployments
that are told what is live: the one that answers requests, and the one that keeps events and credits
them to lists. The controller alone writes ``serveConfigV2``: no field has two owners (ADR 21).
"""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from coterie.cluster.api import Object
from coterie.errors import BadInputError
from coterie.rollout.live import Live

TEMPLATE: Final = "coterie.rollout/serve-config"
"""Annotation: all of ``serveConfigV2`` but what is live, as JSON."""
APPLICATION: Final = "coterie"
DEPLOYMENT: Final = "Api"
USER_CONFIG: Final = "user_config"
# Where JSON and YAML differ: characters that JSON may leave as they are.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def template_of(service: Object) -> Object:
    """Read the chart's template, or else what stands: an older chart wrote no annotation.

    Raises:
        BadInputError: There is neither, or nothing in it is told what is live.
    """
    written = (service["metadata"].get("annotations") or {}).get(TEMPLATE)
    text = service["spec"].get("serveConfigV2", "") if written is None else written
    try:
        template: Object = _parse(text) if written is None else json.loads(text)
        told = {deployment["name"] for deployment in _told(template)}
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise BadInputError(f"{_named(written)} is no configuration of Serve: {error!r}") from error
    if DEPLOYMENT not in told:
        raise BadInputError(
            f"{_named(written)} has no {USER_CONFIG} of deployment {DEPLOYMENT} in application "
            f"{APPLICATION}: let the chart write it (helm upgrade)"
        )
    return template


def compose(template: Object, live: Live) -> str:
    """Put what is live into the template: always the same text, as JSON that is also YAML."""
    content = deepcopy(template)
    for deployment in _told(content):
        deployment[USER_CONFIG] = live.as_json()
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def read_live(service: Object) -> Live:
    """Read what the deployment that answers requests is told.

    Raises:
        BadInputError: It is told nothing, or not in the place where we look.
    """
    try:
        content = _parse(service["spec"].get("serveConfigV2", ""))
        told = {deployment["name"]: deployment[USER_CONFIG] for deployment in _told(content)}
        return Live.from_json(told[DEPLOYMENT])
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise BadInputError(f"serveConfigV2 does not say what is live: {error!r}") from error


def told(service: Object) -> Live | None:
    """Read what replicas are told; None where that is nothing, or what nobody can read."""
    try:
        return read_live(service)
    except BadInputError:
        return None


def _told(content: Object) -> Iterator[dict[str, Any]]:
    """Find the deployments that are told what is live; others have a ``user_config`` apart."""
    for application in content["applications"]:
        if application["name"] == APPLICATION:
            for deployment in application["deployments"]:
                if USER_CONFIG in deployment and _is_live(deployment[USER_CONFIG]):
                    yield deployment


def _parse(text: str) -> Any:
    """Parse a text of ours, which is JSON and is read much faster so, or any other YAML."""
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def _is_live(told: Any) -> bool:
    if told is None:
        return True
    try:
        Live.from_json(told)
    except BadInputError:
        return False
    return True


def _named(written: str | None) -> str:
    return "serveConfigV2" if written is None else f"annotation {TEMPLATE}"
