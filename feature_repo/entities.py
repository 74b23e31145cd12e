"""Whom features describe."""

from feast import Entity, ValueType

from coterie.schema import USER_ENTITY

user = Entity(
    name=USER_ENTITY,
    join_keys=["user_id"],
    value_type=ValueType.STRING,
    description="A person of the shop, by the id that the shop gave",
)
