"""Who may ask: the one guard of HTTP. A token of another kind is one entry of ``TOKENS``."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from fastapi import HTTPException, Request, Security
from fastapi.security import HTTPBearer

from serving.api.problems import ProblemError, problem_responses
from serving.settings import PREFIX, Settings

REFUSED: Final = problem_responses(401, 403)
"""What a guarded router may answer, for its description."""
_BEARER: Final = HTTPBearer(auto_error=False)


class Scope(StrEnum):
    """What a token lets its holder do, in words that follow "may"."""

    ROLLOUTS = "command rollouts"
    CHANGES = "change items, ties and people"


@dataclass(frozen=True, slots=True)
class TokenKind:
    """A token that an operator sets, and what its holders may do."""

    scheme: str
    """Its name in the OpenAPI description."""
    setting: str
    """Field of ``Settings`` that holds it; where that is empty, nobody has such a token."""
    scopes: frozenset[Scope]

    @property
    def variable(self) -> str:
        """Environment variable that sets it."""
        return f"{PREFIX}{self.setting.upper()}"


TOKENS: Final = (
    TokenKind("AdminToken", "admin_token", frozenset({Scope.ROLLOUTS})),
    TokenKind("ChangeToken", "change_token", frozenset({Scope.CHANGES})),
)


class Guard:
    """Lets in whoever sends a token of the right scope, as ``Authorization: Bearer TOKEN``."""

    def __init__(self, tokens: Mapping[str, str], kinds: Sequence[TokenKind] = TOKENS) -> None:
        """Take the tokens that the app was started with.

        Args:
            tokens: By setting; empty ones let nobody in.
            kinds: What each is for.
        """
        self._tokens, self._kinds = tokens, kinds

    @classmethod
    def of(cls, settings: Settings) -> "Guard":
        """Take all tokens from an app's settings."""
        return cls({kind.setting: getattr(settings, kind.setting) for kind in TOKENS})

    def require(self, scope: Scope, open_without: bool = False) -> list[Any]:
        """Make the dependencies of a router, or of a route, that only holders of a scope may use.

        They name the tokens that have it in the OpenAPI description.

        Args:
            scope: What its callers do.
            open_without: Let everybody in where no token of the scope is set.
        """
        kinds = [kind for kind in self._kinds if scope in kind.scopes]
        variables = " or ".join(kind.variable for kind in kinds)
        known = [token.encode() for kind in kinds if (token := self._tokens.get(kind.setting))]
        if not known and open_without:
            return []

        async def check(request: Request) -> None:
            if not known:
                raise ProblemError(
                    403,
                    f"this app was started without a token, so nobody may {scope}: set "
                    f"{variables}, for example to the output of `openssl rand -hex 16`, and "
                    "start it again",
                )
            given = await _BEARER(request)
            sent = given.credentials.encode() if given else b""
            # All of them, each in constant time: how long it takes tells nothing of a token.
            matches = [secrets.compare_digest(sent, token) for token in known]
            if not any(matches):
                raise HTTPException(
                    401,
                    f"send `Authorization: Bearer TOKEN`, with the app's {variables}",
                    {"WWW-Authenticate": 'Bearer realm="coterie"'},
                )

        schemes = [
            HTTPBearer(scheme_name=kind.scheme, description=kind.variable, auto_error=False)
            for kind in kinds
        ]
        return [*map(Security, schemes), Security(check)]
