"""One text is made of a template and of what is live, and read back as it was."""

import json

import pytest
import yaml
from cluster_shop import CONFIG, OLD_TEXT, serve_config
from fake_api import user_config
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.cluster.served import TEMPLATE, compose, read_live, template_of
from coterie.errors import BadInputError
from coterie.rollout.live import Live, ReleaseRef

OLD = Live(ReleaseRef("a" * 64, "s3://shop/v1"))
NEW = Live(OLD.stable, ReleaseRef("b" * 64, "s3://shop/v2: # é\U0001f600'\""), 0.00001)


def service(text="", template=None):
    annotations = {} if template is None else {TEMPLATE: template}
    return {"metadata": {"annotations": annotations}, "spec": {"serveConfigV2": text}}


def test_all_who_are_told_are_told_the_same_and_all_else_stays():
    apps = {app["name"]: app for app in yaml.safe_load(serve_config(NEW))["applications"]}
    told = {d["name"]: d["user_config"] for d in apps["coterie"]["deployments"]}
    assert told["Greeter"] == {"greeting": False}
    assert Live.from_json(told["Api"]) == Live.from_json(told["EventSink"]) == NEW
    assert apps["other"]["deployments"][0]["user_config"] == {"greeting": True}
    assert apps["coterie"]["runtime_env"]["env_vars"]["COTERIE_CODE"] == "012"


def test_the_same_is_written_from_the_annotation_and_from_what_stands():
    text = serve_config(OLD)
    by_annotation = service("", json.dumps(CONFIG))
    assert compose(template_of(by_annotation), OLD) == text
    assert compose(template_of(service(text)), OLD) == text
    old_text = OLD_TEXT.replace("USER_CONFIG", json.dumps(NEW.as_json()))
    assert compose(template_of(service(old_text)), OLD) == text


words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)
places = st.builds(ReleaseRef, words, words)


@settings(max_examples=60, deadline=None)
@given(places, st.none() | places, st.floats(0, 1), st.booleans())
def test_whatever_is_written_is_read_as_yaml_and_as_json(stable, canary, weight, mirrored):
    live = Live(stable, canary, weight, mirrored)
    text = serve_config(live)
    assert read_live(service(text)) == Live.from_json(user_config(text)) == live
    assert json.loads(text)["applications"][0]["name"] == "other"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "applications: [",
        "applications: 7",
        "applications: [{name: other}]",
        "applications: [{name: coterie, deployments: [{name: Api}]}]",
        "applications: [{name: coterie, deployments: [{name: Api, user_config: {weight: 1}}]}]",
        OLD_TEXT.replace("USER_CONFIG", "!!python/object:os.system {}"),
    ],
)
def test_a_text_that_does_not_say_it_is_refused(text):
    with pytest.raises(BadInputError):
        read_live(service(text))
    with pytest.raises(BadInputError):
        template_of(service(text))


@pytest.mark.parametrize("template", ["", "{", "[]", "{}", '{"applications": [{"name": "x"}]}'])
def test_an_annotation_that_is_no_template_is_refused_though_something_stands(template):
    with pytest.raises(BadInputError, match="annotation"):
        template_of(service(serve_config(OLD), template))


def test_nothing_is_read_from_a_template():
    with pytest.raises(BadInputError):
        read_live(service(json.dumps(CONFIG)))
