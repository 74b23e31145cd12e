"""Features that several processes share: as Feast keeps them in Redis, without Feast."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import redis
from redis_server import PASSWORD

from serving.features.online_store import ShopperRow
from serving.features.recent import RecentList


class SharedFeatures:
    def __init__(self, port: int) -> None:
        self._redis = redis.Redis(port=port, password=PASSWORD, single_connection_client=True)

    def shopper(self, user_id: str) -> ShopperRow:
        return ShopperRow(self.recent_lists([user_id])[0])

    def recent_lists(self, user_ids: Sequence[str]) -> list[RecentList]:
        found = [self._redis.hget("recent", user_id) for user_id in user_ids]
        return [
            RecentList(**{k: tuple(v) for k, v in json.loads(text).items()})
            if text
            else RecentList()
            for text in found
        ]

    def push_recent(
        self, user_ids: Sequence[str], lists: Sequence[RecentList], fencing_token: int
    ) -> None:
        for user_id, recent in zip(user_ids, lists, strict=True):
            if fencing_token > int(self._redis.hget("at", user_id) or 0):
                self._redis.hset("recent", user_id, json.dumps(asdict(recent)))
                self._redis.hset("at", user_id, fencing_token)
                self._redis.hincrby("pushes", user_id)

    def ping(self) -> None:
        self._redis.ping()

    def pushes(self, user_id: str) -> int:
        return int(self._redis.hget("pushes", user_id) or 0)

    def close(self) -> None:
        self._redis.close()
