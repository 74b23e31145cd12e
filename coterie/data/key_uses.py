"""When keys were last used, where all processes of a service see it: in the Redis of the log."""

from collections.abc import Mapping
from typing import Final

from coterie.data.locks import LOG_KEYS
from coterie.data.redis_scripts import ScriptedRedis

KEY: Final = f"{LOG_KEYS}:key-uses"
# The newest word counts, whoever says it last.
_TELL: Final = """
for i = 1, #ARGV, 2 do
  local known = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0')
  if tonumber(ARGV[i + 1]) > known then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
"""


def share_uses(log_url: str, password: str, uses: Mapping[str, float]) -> None:
    """Tell when keys were used.

    Args:
        log_url: Of the event log, ``redis://host:port/db``.
        password: Of Redis.
        uses: Unix time by the key's id.

    Raises:
        BadInputError: Redis does not let us in.
        UnavailableError: It does not answer.
    """
    asked = ScriptedRedis(log_url, password)
    try:
        told = [part for key_id, at in uses.items() for part in (key_id, f"{at:.0f}")]
        asked.run(_TELL, [KEY], told)
    finally:
        asked.client.close()


def shared_uses(log_url: str, password: str) -> dict[str, float]:
    """Read when each key was last used, as processes have told; raises as ``share_uses`` does."""
    asked = ScriptedRedis(log_url, password)
    try:
        with asked.asking():
            found = dict(asked.ask("HGETALL", KEY))
    finally:
        asked.client.close()
    return {key_id.decode(): float(at) for key_id, at in found.items()}
