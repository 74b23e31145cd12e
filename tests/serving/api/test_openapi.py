"""What the API does is what openapi.json says, and what docs/http-api.md says."""

import re
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

SLOW = list(HealthCheck)
DOCS = Path(__file__).parents[3] / "docs" / "http-api.md"


def test_every_answer_to_made_up_requests_is_as_described(client):
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=SLOW)
        @given(case=operation.as_strategy())
        def answers_as_described(case):
            # An item that is in no catalogue is of the right form, and refused all the same.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        answers_as_described()
        asked.add(operation.path)
    assert len(asked) == len(client.get("/openapi.json").json()["paths"])


@pytest.fixture
def described(client):
    return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def text():
    return DOCS.read_text()


def operations(described):
    return {
        (method.upper(), path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_names_every_operation_and_no_other(described, text):
    said = set(re.findall(r"^### (GET|POST|PUT|PATCH|DELETE) `([^`]+)`", text, re.M))
    assert said == set(operations(described))


def test_generated_clients_have_short_names_and_no_field_to_send_that_may_be_left_out(described):
    names = [operation["operationId"] for operation in operations(described).values()]
    assert len(set(names)) == len(names)
    assert {"recommend", "write_events", "search", "ask"} <= set(names)
    assert all(re.fullmatch("[a-z_]+", name) for name in names)
    schemas = described["components"]["schemas"]
    for name in ("QuestionIn", "TieIn", "ExperimentIn", "CommandIn"):
        fields = schemas[name]["properties"].values()
        assert not any("default" in field for field in fields), name
    assert schemas["QuestionIn"]["properties"]["k"]["description"].endswith("; 12 if left out")
    # In answers such a field is there, so a default is right.
    assert any(
        "default" in f for one in schemas.values() for f in one.get("properties", {}).values()
    )


def section(text, method, path):
    found = re.search(rf"^### {method} `{re.escape(path)}`\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    return found.group(1)


def test_the_document_names_each_operations_parameters_and_statuses(described, text):
    for (method, path), operation in operations(described).items():
        part = section(text, method, path)
        table = re.findall(r"^\| `(\w+)` \|", part, re.M)
        assert table == [one["name"] for one in operation.get("parameters", [])], path
        answers = re.search(r"^Answers: (.*?)(?=^$|\Z)", part, re.M | re.S).group(1)
        assert set(re.findall(r"\b\d{3}\b", answers)) == set(operation["responses"]), path


def test_the_document_names_every_field_of_what_goes_over_the_wire(described, text):
    for name in (
        "EventIn",
        "EventReceipt",
        "RefusedEvent",
        "RecommendationList",
        "ListedItem",
        "Reason",
        "SearchResults",
        "FoundItem",
        "SearchParts",
        "Sentence",
        "ShopAnswer",
        "ReadQuestion",
        "AskedItem",
        "Problem",
        "ChangeReceipt",
    ):
        part = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", text, re.M | re.S).group(1)
        fields = re.findall(r"^\| `(\w+)` \|", part, re.M)
        assert fields == list(described["components"]["schemas"][name]["properties"]), name


def test_the_document_names_every_setting(text):
    from dataclasses import fields

    from serving.settings import PREFIX, Settings

    rows = re.findall(rf"^\| `({PREFIX}\w+)` \|", text, re.M)
    assert rows == [f"{PREFIX}{f.name.upper()}" for f in fields(Settings)]


def test_the_api_page_needs_no_other_host(client):
    for path in ("/docs", "/static/docs.js", "/static/docs.css", "/", "/static/app.js"):
        answer = client.get(path)
        assert answer.status_code == 200
        found = re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]+", answer.text)
        assert set(found) <= {"http://www.w3.org"}, path


def test_the_page_has_no_script_or_style_of_its_own_that_its_policy_forbids(client):
    for path in ("/", "/docs"):
        text = client.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", text)
