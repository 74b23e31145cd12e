"""The OpenAPI description: FastAPI's, with problems and scopes as they are."""

from functools import cache
from typing import Any, Final

from fastapi import FastAPI

from coterie.access.scopes import Scope
from serving.api.access import ACCESS, describe_access
from serving.api.problems import Problem, problem_responses

_GUARDED: Final = (401, 403, 429)


def describe_api(app: FastAPI, is_open: frozenset[Scope]) -> None:
    """Put the form of problems, and who may ask, into the description.

    It is made when it is first asked for, half a second that no start waits for.

    Args:
        app: Whose it is.
        is_open: Scopes that everybody has.
    """
    plain = app.openapi

    @cache
    def described() -> dict[str, Any]:
        whole = plain()
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = whole.setdefault("components", {}).setdefault("schemas", {})
        schemas |= problem.pop("$defs") | {"Problem": problem}
        for path, methods in whole["paths"].items():
            for method, operation in methods.items():
                guarded = _GUARDED if ACCESS[method.upper(), path].scope else ()
                statuses = (400, 413, 415, 422) if "requestBody" in operation else (400, 422)
                for status, response in problem_responses(*guarded, *statuses).items():
                    operation["responses"][str(status)] = response
        describe_access(whole, is_open)
        return whole

    app.openapi = described  # type: ignore[method-assign]
