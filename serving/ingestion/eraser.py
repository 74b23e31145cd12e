"""A person is forgotten: in the log first, then in features; what is left is told, until when."""

from dataclasses import dataclass

from coterie.data.locks import EXPORT, PUSH
from serving.events.erasure import ErasedEntries
from serving.events.log import EventLog, LogBatch
from serving.features.erased_rows import erased_rows
from serving.features.online_store import OnlineFeatures

LOCK_S = 10.0
"""Seconds that pushes and exports are waited for."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was removed of a person, here and now."""

    entries: ErasedEntries
    features: int
    """Rows of their own online, of which there is one a person."""
    friends: int
    """Lists of friends of others that they were taken out of."""


class Eraser:
    """Forgets people; the log says so before anything is removed, so that nothing comes back.

    Done again it changes nothing, and finds what was left where it was broken off.
    """

    def __init__(self, log: EventLog, features: OnlineFeatures) -> None:
        """Take a log and features that nobody else uses in this process.

        Raises:
            BadInputError: Nobody here knows how the store of features deletes.
        """
        self._log, self._rows = log, erased_rows(features)

    def erase(self, user_id: str) -> Erased:
        """Forget a person.

        Raises:
            UnavailableError: Some of it may be left: do it again.
        """
        # What an export has read it would write after.
        with self._log.lock(EXPORT, wait_s=LOCK_S):
            entries = self._log.erase(user_id)
        # A push that began before is waited for; later ones know who is forgotten.
        with self._log.lock(PUSH, wait_s=LOCK_S):
            features = self._rows.remove(user_id)
        erased = Erased(entries, features, self._rows.remove_from_others(user_id))
        # Last: commands that remove name who is removed, in a Redis' own log.
        self._rows.compact()
        self._log.compact()
        return erased

    def lift(self, user_id: str) -> bool:
        """Let a person come back; return whether they were forgotten.

        Raises:
            UnavailableError: Do it again.
        """
        return self._log.lift(user_id)

    def about(self, user_id: str, after: str, most: int) -> LogBatch:
        """Read what the log has about a person; see EventLog."""
        return self._log.about(user_id, after, most)
