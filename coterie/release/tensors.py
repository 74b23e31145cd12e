"""Tensors of a safetensors file where they lie, be it a file that is mapped; read without trust."""

import json
import math
from typing import Any, Final

import torch

from coterie.errors import BadInputError
from coterie.release.kept import Buffer

_TYPES: Final[dict[str, torch.dtype]] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def tensors_of(buffer: Buffer, where: str) -> dict[str, torch.Tensor]:
    """Read the tensors of a safetensors file where they lie: they are the buffer's memory.

    Args:
        buffer: The file's content.
        where: The file, for the error's text.

    Raises:
        BadInputError: It is no such file, or holds what no release does.
    """
    try:
        start, described = _header(buffer)
        found = {}
        for name, one in described.items():
            kind, (begin, end) = _TYPES[one["dtype"]], one["data_offsets"]
            count = math.prod(one["shape"])
            if count * kind.itemsize != end - begin:
                raise ValueError(f"{name} has {end - begin} bytes for {count} numbers")
            if not count:
                tensor = torch.zeros(0, dtype=kind)
            elif (start + begin) % kind.itemsize:
                piece = bytearray(buffer[start + begin : start + end])
                tensor = torch.frombuffer(piece, dtype=kind)
            else:
                tensor = torch.frombuffer(buffer, dtype=kind, count=count, offset=start + begin)
            found[name] = tensor.reshape(one["shape"])
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise BadInputError(f"{where} is no safetensors file: {error}") from error
    return found


def _header(buffer: Buffer) -> tuple[int, dict[str, Any]]:
    """Read where tensors begin, and what they are: one after the other, with nothing between."""
    start = 8 + int.from_bytes(buffer[:8], "little")
    if not 8 < start <= len(buffer):
        raise ValueError(f"a header of {start - 8} bytes in a file of {len(buffer)}")
    described = json.loads(buffer[8:start])
    described.pop("__metadata__", None)
    at = 0
    for begin, end in sorted(one["data_offsets"] for one in described.values()):
        if begin != at or end < begin:
            raise ValueError(f"a tensor begins at {begin}, and the one before it ends at {at}")
        at = end
    if start + at != len(buffer):
        raise ValueError(f"tensors end at {start + at}, the file at {len(buffer)}")
    return start, described
