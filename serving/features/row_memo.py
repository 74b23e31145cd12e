"""Decoded rows, kept as long as their bytes are the same: nothing ever has to be invalidated."""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from serving.features.stored_rows import RawRow

Row = TypeVar("Row")
Values = tuple[Any, ...]
MOST_BYTES: Final = 2 << 20
"""Of one generation, as they are stored; decoded they take five times as much."""
_LISTS: Final = frozenset({"string_list_val", "int64_list_val", "float_list_val"})
"""What our columns hold, by field of Feast's message."""


class RowMemo(Generic[Row]):
    """The rows that were read last, by person: given again where the bytes are those of then.

    There are two generations: once the young one is full it becomes the old one, and what is asked
    for comes back into the young one. So those that were not asked for the longest go first.
    Several threads may ask at once.
    """

    def __init__(self, decode: Callable[[RawRow], Row], most_bytes: int = MOST_BYTES) -> None:
        """Begin without rows.

        Args:
            decode: What to do with bytes that are new.
            most_bytes: Of one generation's rows, as they are stored.
        """
        self._decode, self._most, self._bytes = decode, most_bytes, 0
        self._young: dict[str, tuple[RawRow, Row]] = {}
        self._old: dict[str, tuple[RawRow, Row]] = {}

    def of(self, user_id: str, raw: RawRow) -> Row:
        """Give a person's row of these bytes."""
        known = self._young.get(user_id)
        if known is not None and known[0] == raw:
            return known[1]
        known = self._old.get(user_id)
        row = known[1] if known is not None and known[0] == raw else self._decode(raw)
        self._keep(user_id, raw, row)
        return row

    def clear(self) -> None:
        """Let go of all rows."""
        self._young, self._old, self._bytes = {}, {}, 0

    def _keep(self, user_id: str, raw: RawRow, row: Row) -> None:
        self._bytes += sum(map(len, filter(None, raw)))
        if self._bytes > self._most:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[user_id] = raw, row


def decoder() -> Callable[[RawRow], list[Values | None]]:
    """Make what reads the lists of a row as Feast does; None for one that is not there."""
    from feast.protos.feast.types.Value_pb2 import Value
    from feast.type_map import feast_value_type_to_python_type

    parse = Value.FromString

    def decode(raw: RawRow) -> list[Values | None]:
        found: list[Values | None] = []
        before, values = None, None
        for value in raw:
            if value != before:  # two columns of times are mostly the same
                before, message = value, parse(value or b"")
                kind = message.WhichOneof("val")
                if kind in _LISTS:
                    values = tuple(getattr(message, kind).val[:])
                else:
                    read = feast_value_type_to_python_type(message)
                    values = None if read is None else tuple(read)
            found.append(values)
        return found

    return decode
