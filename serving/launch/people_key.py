"""That people stand for the same here as in the event log."""

import logging
from typing import Final

from coterie.data.people_key import agree_on_key
from coterie.data.pseudonyms import PseudonymKeys
from coterie.errors import UnavailableError
from serving.settings import Settings
from serving.telemetry.logs import LOGGER

log: Final = logging.getLogger(LOGGER)


def agree_on_people(settings: Settings) -> None:
    """Refuse a log whose people stand under another key than that of the settings.

    Raises:
        BadInputError: They do, or the key is none.
        UnavailableError: The log does not answer.
    """
    name = PseudonymKeys.given(settings.pseudonym_key, settings.pseudonym_key_file).name
    agree_on_key(settings.event_log_url, settings.event_log_password, name, "serving")


def compare_people(settings: Settings) -> None:
    """Do as ``agree_on_people``, but wait for no log that does not answer: lists need none.

    Raises:
        BadInputError: People stand under another key there.
    """
    try:
        agree_on_people(settings)
    except UnavailableError as error:
        log.warning("keys of pseudonyms were not compared", extra={"fields": {"why": str(error)}})
