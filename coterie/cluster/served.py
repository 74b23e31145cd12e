"""``RayService.spec.serveConfigV2``: a YAML text, of which one value is ours.

It stands as ``user_config`` with each deployment of the application that is told what is live: the
one that answers requests, and the one that keeps events and credits them to lists.
"""

import json
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

from coterie.errors import BadInputError
from coterie.rollout.live import Live

APPLICATION: Final = "coterie"
DEPLOYMENT: Final = "Api"
USER_CONFIG: Final = "user_config"


def read_live(text: str) -> Live:
    """What the deployment that answers requests is told.

    Raises:
        BadInputError: It does not say so in the place where we look.
    """
    return read_all(text)[0]


def read_all(text: str) -> list[Live]:
    """What deployments are told, that which answers requests first; they differ only by mistake.

    Raises:
        BadInputError: As :func:`read_live`.
    """
    return [live for _, live in _places(text)]


def with_live(text: str, live: Live) -> str:
    """The text with another ``user_config``; every other character stays as it is.

    Raises:
        BadInputError: It has none yet, or something else in the text refers into it.
    """
    new, value = text, json.dumps(live.as_json(), ensure_ascii=False)
    places = _places(text)
    # From the end, so that places before stay where they are.
    for node, _ in sorted(places, key=lambda place: -place[0].start_mark.index):
        new = new[: node.start_mark.index] + value + new[_end(node) :]
    try:
        alone = _rest(new) == _rest(text) and read_all(new) == [live] * len(places)
    except BadInputError:
        alone = False
    if not alone:
        raise BadInputError(
            f"{USER_CONFIG} cannot be replaced alone: let nothing else in serveConfigV2 refer to "
            "it, and folders have no control characters"
        )
    return new


def _end(node: yaml.Node) -> int:
    """Where a value ends; of one in block style, the mark stands after comments that follow."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return max(_end(part) for pair in node.value for part in pair)
    return int(node.end_mark.index)


def _places(text: str) -> list[tuple[yaml.Node, Live]]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise BadInputError(f"serveConfigV2 is no YAML: {error}") from error
    application = _named(_get(root, "applications"), APPLICATION)
    deployments = _get(application, "deployments")
    ours = _get(_named(deployments, DEPLOYMENT), USER_CONFIG)
    if ours is None:
        raise BadInputError(
            f"serveConfigV2 has no {USER_CONFIG} of deployment {DEPLOYMENT} in application "
            f"{APPLICATION}: name there the release to begin with"
        )
    places = [(ours, _live(ours))]
    for deployment in _items(deployments):
        node = _get(deployment, USER_CONFIG)
        if node is None or node is ours:
            continue
        try:
            places.append((node, _live(node)))
        except BadInputError:
            continue  # it is told something else
    return places


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _named(nodes: yaml.Node | None, name: str) -> yaml.Node | None:
    for node in _items(nodes):
        found = _get(node, "name")
        if found is not None and found.value == name:
            return node
    return None


def _live(node: yaml.Node) -> Live:
    loader = yaml.SafeLoader("")
    try:
        return Live.from_json(loader.construct_document(node))
    except yaml.YAMLError as error:
        raise BadInputError(f"{USER_CONFIG} in serveConfigV2 is no plain value: {error}") from error
    finally:
        loader.dispose()


def _rest(text: str) -> Any:
    """Everything but what deployments are told."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInputError(f"serveConfigV2 is no YAML: {error}") from error
    for application in content["applications"]:
        for deployment in application.get("deployments", ()):
            if application["name"] == APPLICATION and _is_live(deployment.get(USER_CONFIG)):
                deployment[USER_CONFIG] = None
    return content


def _is_live(content: Any) -> bool:
    try:
        Live.from_json(content)
    except BadInputError:
        return False
    return True
