"""A new kind of token is one entry: any router takes the guard for a dependency."""

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from serving.api.auth import REFUSED, TOKENS, Guard, Scope, TokenKind
from serving.api.middleware import TelemetryMiddleware
from serving.api.problems import answer_with_problems, describe_problems
from serving.settings import Settings
from serving.telemetry.logs import Pseudonyms
from serving.telemetry.metrics import ServingMetrics

SHOP = TokenKind("ShopKey", "shop_key", frozenset({Scope.ROLLOUTS}))
OTHER = TokenKind("OtherKey", "other_key", frozenset())
KINDS = (*TOKENS, SHOP, OTHER)
SECRETS = {"admin_token": "of-the-people-on-call", "shop_key": "of-the-shop", "other_key": "else"}


def app_of(secrets):
    app, guarded = FastAPI(), APIRouter(prefix="/guarded", responses=REFUSED)
    answer_with_problems(app)

    @guarded.get("", dependencies=Guard(secrets, KINDS).require(Scope.ROLLOUTS))
    async def read() -> str:
        return "inside"

    app.include_router(guarded)
    describe_problems(app)
    return app


def ask(secrets, authorization=None):
    app = TelemetryMiddleware(app_of(secrets), ServingMetrics(), Pseudonyms("0" * 16))
    headers = {"Authorization": authorization} if authorization else {}
    return TestClient(app).get("/guarded", headers=headers)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer of-the-people-on-call", 200),
        ("bearer of-the-shop", 200),
        ("Bearer else", 401),
        ("Bearer of-the-sho", 401),
        ("Bearer ", 401),
        ("Basic of-the-shop", 401),
        (None, 401),
    ],
)
def test_each_token_of_the_scope_lets_in_and_no_other(authorization, status):
    answer = ask(SECRETS, authorization)
    assert answer.status_code == status, answer.text
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "COTERIE_ADMIN_TOKEN or COTERIE_SHOP_KEY" in answer.json()["detail"]


@pytest.mark.parametrize("secrets", [{}, {"admin_token": "", "other_key": "else"}])
@pytest.mark.parametrize("authorization", [None, "Bearer ", "Bearer else"])
def test_without_any_token_nobody_may(secrets, authorization):
    answer = ask(secrets, authorization)
    assert answer.status_code == 403
    assert f"nobody may {Scope.ROLLOUTS}: set COTERIE_ADMIN_TOKEN" in answer.json()["detail"]


def test_a_token_that_is_not_set_lets_nobody_in_beside_one_that_is():
    assert ask({"admin_token": "", "shop_key": "of-the-shop"}, "Bearer ").status_code == 401
    assert ask({"admin_token": "", "shop_key": "of-the-shop"}, "Bearer of-the-shop").is_success


def test_the_description_names_either_token_and_what_is_refused():
    described = app_of(SECRETS).openapi()
    told = described["paths"]["/guarded"]["get"]
    assert told["security"] == [{"AdminToken": []}, {"ShopKey": []}]
    assert {"401", "403"} <= set(told["responses"])
    schemes = described["components"]["securitySchemes"]
    assert schemes["ShopKey"]["description"] == "COTERIE_SHOP_KEY"


def test_every_token_is_a_setting_that_is_not_shown():
    settings = Settings(release="x", **{kind.setting: "0123456789abcdef" for kind in TOKENS})
    assert "0123456789abcdef" not in repr(settings)
    expected = {kind.setting: "0123456789abcdef" for kind in TOKENS}
    assert Guard.of(settings)._tokens == expected
