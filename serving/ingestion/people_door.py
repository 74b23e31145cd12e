"""Where ids of people from outside become what stands for them inside."""

import functools
from typing import Final
from urllib.parse import unquote

from starlette.types import Scope

from coterie.data.ids import normal_id
from coterie.data.pseudonymous import suppressed_before
from coterie.data.pseudonyms import IS_PSEUDONYM, PseudonymKeys, is_pseudonym
from coterie.data.suppressed import Suppressed
from coterie.errors import BadInputError
from serving.settings import Settings

PARAMETERS: Final = ("user_id", "other_id")
"""Parts of paths that name people."""
BEFORE: Final = "before"
"""Of a request's state: what stood earlier for whom its path names, by parameter, the id first."""


class PeopleDoor:
    """Turns ids into pseudonyms, where the shop has keys for that; else lets them pass."""

    def __init__(self, keys: PseudonymKeys, shows_people: bool = False) -> None:
        """Take keys.

        Args:
            keys: None: ids are kept as they are.
            shows_people: Whether callers may name people by pseudonyms, as the storefront's pages
                do. Else a text that looks like one is refused: where shoppers choose their ids,
                somebody might choose what friends of another are shown, and be that other.
        """
        self.keys, self._shows_people = keys, shows_people

    def __bool__(self) -> bool:
        return bool(self.keys)

    def enter(self, text: str) -> str:
        """Say what stands for a person inside.

        Args:
            text: The id that came, in its form.

        Raises:
            BadInputError: It looks like a pseudonym, and may not.
        """
        return self.lineage(text)[-1]

    def lineage(self, text: str) -> tuple[str, ...]:
        """Say what stands and stood for a person: what came, then pseudonyms, the newest last.

        Raises:
            BadInputError: See ``enter``.
        """
        if not self.keys:
            return (text,)
        if is_pseudonym(text) and not self._shows_people:
            raise BadInputError(IS_PSEUDONYM)
        return self.keys.lineage(text)

    def enter_path(self, scope: Scope) -> dict[str, str]:
        """Let in whom a path names, in place; logs and guard look there.

        Returns:
            What is wrong, by parameter. Such a one stays as it came, and so does what is no id:
            that is told in the words of the checks.
        """
        wrong: dict[str, str] = {}
        named = scope["path_params"]
        stood: dict[str, tuple[str, ...]] = {}
        scope["state"][BEFORE] = stood
        for name in PARAMETERS if self.keys else ():
            if name not in named:
                continue
            try:
                user_id = normal_id(unquote(named[name]))
            except BadInputError:
                continue
            try:
                *before, named[name] = self.lineage(user_id)
                stood[name] = tuple(before)
            except BadInputError as error:
                wrong[name] = str(error)
        return wrong

    @staticmethod
    def stood_for(scope: Scope) -> dict[str, tuple[str, ...]]:
        """Say what stood earlier for whom a path names, by parameter."""
        found: dict[str, tuple[str, ...]] = scope["state"].get(BEFORE, {})
        return found

    def known(self, gone: Suppressed) -> Suppressed:
        """Know people who were erased by the ids that come, whatever stood for them then."""
        return suppressed_before(gone, self.keys)


NO_DOOR: Final = PeopleDoor(PseudonymKeys())


def door_of(settings: Settings) -> PeopleDoor:
    """Find the door of an app, which is the same for the same settings.

    Raises:
        BadInputError: The keys cannot be read, or one is none.
    """
    return _door(settings.pseudonym_key, settings.pseudonym_key_file, settings.storefront)


@functools.cache
def _door(text: str, file: str, shows_people: bool) -> PeopleDoor:
    return PeopleDoor(PseudonymKeys.given(text, file), shows_people)
