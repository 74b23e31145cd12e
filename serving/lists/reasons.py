"""The reasons of a list, as they go over the wire."""

import functools
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from coterie.reasons.told import ReasonAbout, ToldReason
from coterie.recommend.recommender import ReasonKind
from serving.schemas import Reason

_DIGITS = 6
Body = TypeVar("Body", bound=BaseModel)


class ReasonBodies:
    """Writes the reasons of one list as its answer holds them; what several say is taken over."""

    def __init__(self) -> None:
        self._known: dict[ReasonAbout, dict[str, Any]] = {}

    def of(self, told: Iterable[ToldReason]) -> list[Reason]:
        """Write the reasons of one item."""
        return [self._body(one) for one in told]

    def _body(self, told: ToldReason) -> Reason:
        known = self._known.get(told.about)
        if known is None:
            known = self._known[told.about] = _said(told.about)
        values = known.copy()
        values["share"], values["contribution"] = told.share, round(told.net, _DIGITS)
        if told.likeness:
            values["likeness"] = dict(told.likeness)
            values["likeness_text"] = told.likeness_text
        return unchecked(Reason, values)


def _said(about: ReasonAbout) -> dict[str, Any]:
    """Write what a reason says, in the order of an answer's fields; numbers are still to come."""
    return {
        "kind": about.kind,
        "share": 0.0,
        "contribution": 0.0,
        "text": about.text,
        "item_id": about.item_id,
        "item_ids": list(about.item_ids) if about.item_ids else None,
        "category": about.category,
        "num_items": about.num_items,
        "friend": about.friend,
        "num_friends": about.num_friends,
        "likeness": None,
        "likeness_text": None,
    }


def unchecked(body: type[Body], values: dict[str, Any]) -> Body:
    """Make a body of values for each of its fields that are right as they are: a list has ~200
    reasons, and to check what was made here takes longer than to make it.

    It is what ``BaseModel.model_construct`` does, without looking for defaults.
    """
    made = body.__new__(body)
    _put(made, "__dict__", values)
    _put(made, "__pydantic_fields_set__", _all_fields(body))
    _put(made, "__pydantic_extra__", None)
    _put(made, "__pydantic_private__", None)
    return made


_put: Final = object.__setattr__


@functools.cache
def _all_fields(body: type[BaseModel]) -> set[str]:
    """Name all fields of a body. Bodies share the set: there is nothing that could be added."""
    return set(body.model_fields)


def shares_by_kind(reasons: Iterable[Reason]) -> dict[ReasonKind, float]:
    """Add up the shares of each kind of reason."""
    totals = dict.fromkeys(ReasonKind, 0.0)
    for reason in reasons:
        totals[reason.kind] += reason.share
    return totals
