"""The two ways in which things go wrong: the caller's, and the world's."""

import socket


class CoterieError(Exception):
    """Every error that Coterie raises on purpose, in words for the person who reads it."""


class BadInputError(CoterieError, ValueError):
    """The input is wrong and will be wrong again: never retried."""


class UnavailableError(CoterieError):
    """Something outside did not answer this time: may be retried."""


def unresolved(error: BaseException | None) -> str:
    """Say what to look at where a name did not resolve, to end an error's text; else nothing.

    Clients say so in many ways, and most of them as if the other side did not answer.
    """
    while error is not None:
        if isinstance(error, socket.gaierror):
            return (
                ". Its name does not resolve: see whether DNS answers here; in a cluster "
                "networkPolicy.dns has to name who answers"
            )
        error = error.__cause__ or error.__context__
    return ""
