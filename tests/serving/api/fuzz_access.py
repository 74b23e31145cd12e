"""Made-up requests of every operation by everybody: a command of its own, minutes long.

    python -m pytest tests/serving/api/fuzz_access.py -s     (COTERIE_EXAMPLES=20 for fewer)

Nothing that the table of scopes forbids may be answered, whatever is sent, and nothing with 5xx.
"""

import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from coterie.access.keys import make_key, revoked, written
from coterie.access.scopes import Scope
from coterie.access.tokens import Purpose, mint
from serving.api import admin
from serving.api.access import ACCESS
from serving.api.auth import SESSION

EXAMPLES = int(os.environ.get("COTERIE_EXAMPLES", "100"))
REFUSED = {401, 403, 400, 404, 405, 413, 415}
"""Those beside 401 and 403 are of what no route can read, or of no route: of nobody's data."""
pytestmark = pytest.mark.timeout(3600)


def callers():
    """Headers by who sends them, with what they open, and the file of keys."""
    kept, found, now = [], {}, datetime.now(UTC)
    for scope in Scope:
        one, key = make_key(f"only {scope}", [scope], now)
        kept.append(one)
        found[f"key of {scope}"] = ({"Authorization": f"Bearer {key}"}, {scope})
    ended, old = make_key("ended", [*Scope], now, now - timedelta(hours=1))
    gone, taken = make_key("revoked", [*Scope], now)
    (gone,) = revoked([gone], gone.id, now)
    kept += [ended, gone]
    lists = kept[0]
    token = mint(lists, Purpose.SHOPPER, now, subject="ana")
    session = mint(lists, Purpose.SESSION, now)
    for who, sent in {
        "no key": {},
        "a key of nobody": {"Authorization": "Bearer ck_00000000_x"},
        "an ended key": {"Authorization": f"Bearer {old}"},
        "a revoked key": {"Authorization": f"Bearer {taken}"},
        "another scheme": {"Authorization": f"Basic {key}"},
        "a spoilt token": {"Authorization": f"Bearer {token[:-2]}"},
        "a session of another site": {"Cookie": f"{SESSION}={session}", "Sec-Fetch-Site": "x"},
    }.items():
        found[who] = (sent, set())
    found["a session"] = ({"Cookie": f"{SESSION}={session}"}, {Scope.LISTS})
    found["ana's token"] = ({"Authorization": f"Bearer {token}"}, "ana")
    return found, written(kept)


def opens(has, need, case):
    """Whether the table lets a request pass."""
    if need.scope is None:
        return True
    if has == "ana":
        named = str((case.path_parameters or {}).get("user_id"))
        return need.own and unquote(named).strip() == "ana"
    return need.scope in has


def ask_all(operation, app, who, counts):
    """Send each request that is made up for an operation as everybody."""
    route = operation.method.upper(), operation.path

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def asked(case):
        for name, (headers, has) in who.items():
            case.headers = {}
            answer = case.call(headers=headers, app=app)
            allowed = opens(has, ACCESS[route], case)
            counts["requests"] += 1
            counts[f"{answer.status_code // 100}xx"] += 1
            counts["allowed" if allowed else "forbidden"] += 1
            assert answer.status_code < 500, (name, route, answer.text)
            if allowed:
                assert answer.status_code not in (401, 403), (name, route, answer.text)
            else:
                assert answer.status_code in REFUSED, (name, route, answer.text)

    asked()


def test_nothing_that_the_table_forbids_is_answered(make_client, folder, monkeypatch):
    monkeypatch.setattr(admin, "WAIT_S", 0.0)
    who, content = callers()
    (folder / "keys.json").write_text(content)
    counts = Counter()
    described = schemathesis.openapi.from_asgi("/openapi.json", keyed(make_client, folder).app)
    for number, found in enumerate(described.get_all_operations()):
        operation = found.ok()
        ask_all(operation, keyed(make_client, folder).app, who, counts)
        print(f"{number + 1:>3} {operation.label}: {counts.total()} counted", flush=True)
    print(json.dumps(dict(counts), sort_keys=True))
    assert counts["forbidden"] > counts["allowed"] > 0


def keyed(make_client, folder):
    return make_client(keys=str(folder / "keys.json"))
