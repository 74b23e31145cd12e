"""An object as KubeRay writes it back: read into Go's structs, and written from them.

What is not given but no pointer in ``types.go`` appears, what is empty and ``omitempty`` goes, and
quantities take their shortest form.
"""

import re
from fractions import Fraction
from functools import cache
from typing import Any

DROPPED = {
    "add", "annotations", "args", "command", "drop", "env", "envFrom", "hostNetwork",
    "imagePullSecrets", "initContainers", "initialDelaySeconds", "items", "labels", "limits",
    "nodeSelector", "ports", "readOnly", "requests", "stdin", "subPath", "tolerations",
    "topologySpreadConstraints", "tty", "value", "volumeMounts", "volumes",
}  # fmt: skip
"""Fields without a pointer: one that is empty is not written."""
QUANTITIES = {"limits", "requests"}
_QUANTITY = re.compile(r"([0-9.]+)([a-zA-Z]*)")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5}
_DECIMAL = {"m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def written(service: Any) -> Any:
    """A RayService or RayCluster."""
    spec = _plain(service["spec"])
    cluster = spec.get("rayClusterConfig", spec)
    for group in cluster.get("workerGroupSpecs", ()):
        group.setdefault("scaleStrategy", {})
        group.setdefault("rayStartParams", None)
    for group in (cluster["headGroupSpec"], *cluster.get("workerGroupSpecs", ())):
        pod = group.get("template", {}).get("spec", {})
        for container in (*pod.get("initContainers", ()), *pod.get("containers", ())):
            container.setdefault("resources", {})
    return {**service, "spec": spec}


def _plain(value: Any, name: str = "") -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if name in QUANTITIES:
        return {key: quantity(inner) for key, inner in value.items()}
    result = {}
    for key, inner in value.items():
        if inner is None or (key in DROPPED and inner in ("", 0, False, [], {})):
            continue
        result[key] = quantity(inner) if key == "sizeLimit" else _plain(inner, key)
    if name == "resourceFieldRef":
        result.setdefault("divisor", "0")
    return result


@cache
def quantity(value: Any) -> str:
    """The shortest form of the same number, as ``resource.Quantity`` writes it.

    >>> [quantity(v) for v in (2, "0.5", "1000m", "1024Mi", "1536Mi", "2000")]
    ['2', '500m', '1', '1Gi', '1536Mi', '2k']
    """
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return str(value)
    number, unit = Fraction(match[1]), match[2]
    base, powers = (1024, _BINARY) if unit in _BINARY else (1000, _DECIMAL)
    if unit not in powers:
        return str(value)
    plain = number * Fraction(base) ** powers[unit]
    if not plain:
        return "0"
    for name, power in sorted(powers.items(), key=lambda pair: -pair[1]):
        share = plain / Fraction(base) ** power
        if share.denominator == 1:
            return f"{share.numerator}{name}"
    return str(value)
