import json
import re
from pathlib import Path

import pytest

from coterie.schema import EventKind
from serving.messages import MAX_EVENTS, MAX_K, EventBatch, RecommendationList
from serving.routes import MAX_SEARCH, _api, _operations, _storefront

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "http-api.md").read_text()
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]


def test_every_path_of_the_api_is_described():
    paths = {route.path for router in (_api, _operations, _storefront) for route in router.routes}
    assert len(paths) > 8
    assert [path for path in sorted(paths) if f"{path}`" not in API] == []


def test_the_bounds_in_the_description_are_those_of_the_code():
    assert f"1 to {MAX_K};" in API
    assert f"Up to {MAX_EVENTS} events" in API
    assert f"up to {MAX_SEARCH})" in API
    assert all(f"`{kind}`" in API for kind in EventKind)


def test_the_bodies_in_the_description_are_valid():
    answer = next(block for block in re.findall(r"```json\n(.*?)```", API, re.S) if "rank" in block)
    RecommendationList.model_validate_json(answer)
    sent = re.search(r"-d '(.*?)'\n", API, re.S)
    assert sent
    EventBatch.model_validate(json.loads(sent[1]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    gone = [link for link in links if not (page.parent / link).exists()]
    # The picture of the storefront is taken from the running demo.
    assert [link for link in gone if not link.endswith("storefront.png")] == []


def test_decisions_are_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [page.name for page in pages if page.name not in navigation] == []
