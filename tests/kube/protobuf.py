"""The binary form in which helm sends the Secrets that it keeps its releases in.

An envelope of four bytes and runtime.Unknown, as Kubernetes' ``generated.proto`` files describe it;
as many fields as are sent.
"""

import base64
from collections.abc import Iterator
from typing import Any

from .errors import RefusedError

MAGIC = b"k8s\0"


def read(data: bytes) -> Any:
    """The object that a body holds, as JSON would have it."""
    if not data.startswith(MAGIC):
        raise RefusedError(400, "the body is no protobuf of Kubernetes")
    envelope = _fields(data[len(MAGIC) :])
    kind = _fields(envelope[1][0])
    api_version, name = (kind.get(n, [b""])[0].decode() for n in (1, 2))
    found = _fields(envelope.get(2, [b""])[0])
    if name == "DeleteOptions":
        texts = {"propagationPolicy": 4}
        return {key: found[n][0].decode() for key, n in texts.items() if n in found}
    if name != "Secret":
        raise RefusedError(415, f"protobuf of a {name} is not understood")
    data = {key: base64.b64encode(value).decode() for key, value in _map(found, 2)}
    return {
        "apiVersion": api_version,
        "kind": name,
        "metadata": _metadata(found[1][0]),
        "data": data,
        "type": found[3][0].decode(),
    }


def _metadata(data: bytes) -> Any:
    found = _fields(data)
    texts = {"name": 1, "namespace": 3, "uid": 5, "resourceVersion": 6}
    plain = {key: found[n][0].decode() for key, n in texts.items() if found.get(n, [b""])[0]}
    maps = {"labels": 11, "annotations": 12}
    return plain | {
        key: {k: v.decode() for k, v in _map(found, n)} for key, n in maps.items() if n in found
    }


def _map(found: dict[int, list[Any]], number: int) -> Iterator[tuple[str, bytes]]:
    for entry in found.get(number, ()):
        pair = _fields(entry)
        yield pair[1][0].decode(), pair.get(2, [b""])[0]


def _fields(data: bytes) -> dict[int, list[Any]]:
    """Values by the number of their field; of texts and messages the bytes."""
    found: dict[int, list[Any]] = {}
    place = 0
    while place < len(data):
        mark, place = _varint(data, place)
        value: Any
        if mark & 7 == 0:
            value, place = _varint(data, place)
        elif mark & 7 == 2:
            size, place = _varint(data, place)
            value, place = data[place : place + size], place + size
        else:
            raise RefusedError(415, f"wire type {mark & 7} is not understood")
        found.setdefault(mark >> 3, []).append(value)
    return found


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
