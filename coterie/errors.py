"""The two ways in which things go wrong: the caller's, and the world's."""


class CoterieError(Exception):
    """Every error that Coterie raises on purpose, in words for the person who reads it."""


class BadInputError(CoterieError, ValueError):
    """The input is wrong and will be wrong again: never retried."""


class UnavailableError(CoterieError):
    """Something outside did not answer this time: may be retried."""
