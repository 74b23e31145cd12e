"""Whom, and what, features describe."""

from feast import Entity, ValueType

from coterie.schema import ITEM_ENTITY, USER_ENTITY

user = Entity(
    name=USER_ENTITY,
    join_keys=["user_id"],
    value_type=ValueType.STRING,
    description="A person of the shop, by the id that the shop gave",
)

item = Entity(
    name=ITEM_ENTITY,
    join_keys=["item_id"],
    value_type=ValueType.STRING,
    description="What the shop sells, by the id that the shop gave",
)
