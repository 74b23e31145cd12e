"""One value in a YAML text is changed, and not a character more."""

import pytest
from cluster_shop import SERVE_CONFIG, serve_config
from fake_api import user_config
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.cluster.served import read_all, read_live, with_live
from coterie.errors import BadInputError
from coterie.rollout.live import Live, Place

OLD = Live(Place("a" * 64, "s3://shop/v1"))
NEW = Live(OLD.stable, Place("b" * 64, "s3://shop/v2: # é\U0001f600'\""), 0.00001)
BLOCK = """\
applications:
- name: coterie
  deployments:
  - user_config:
      stable: {digest: aa, folder: x}
      canary:
      weight: 0
      mirrored: false
      # about the value

    # about the name
    name: Api
"""


def test_both_deployments_are_told_and_all_else_stays():
    before = serve_config(OLD)
    after = with_live(before, NEW)
    assert read_all(after) == [NEW, NEW]
    assert Live.from_json(user_config(after)) == NEW
    assert with_live(after, OLD) == before
    assert "COTERIE_TOPIC: on, COTERIE_CODE: " in after


def test_a_value_in_block_style_is_found_whole():
    after = with_live(BLOCK, NEW)
    assert read_all(after) == [NEW]
    assert after.endswith("      # about the value\n\n    # about the name\n    name: Api\n")
    end = BLOCK.partition("    # about the name")[0]
    last = end.replace("- user_config", "- name: Api\n    user_config")
    assert read_all(with_live(last, NEW)) == [NEW]


def test_json_is_yaml_too():
    text = '{"applications":[{"name":"coterie","deployments":[{"name":"Api","user_config":%s}]}]}'
    after = with_live(text % '{"stable":{"digest":"a","folder":"b"},"canary":null,"weight":0,'
                      '"mirrored":false}', NEW)  # fmt: skip
    assert read_all(after) == [NEW]
    assert after.endswith("}]}]}")


words = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=30)
places = st.builds(Place, words, words)


@settings(max_examples=40, deadline=None)
@given(places, st.none() | places, st.floats(0, 1), st.booleans())
def test_whatever_is_written_is_read(stable, canary, weight, mirrored):
    live = Live(stable, canary, weight, mirrored)
    assert read_all(with_live(serve_config(OLD), live)) == [live, live]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "applications: [",
        "applications: 7",
        "applications: [{name: other}]",
        "applications: [{name: coterie, deployments: [{name: Api}]}]",
        "applications: [{name: coterie, deployments: [{name: Api, user_config: {weight: 1}}]}]",
        SERVE_CONFIG.replace("USER_CONFIG", "!!python/object:os.system {}"),
    ],
)
def test_a_text_that_does_not_say_it_is_refused(text):
    with pytest.raises(BadInputError):
        read_live(text)


@pytest.mark.parametrize("folder", ["a\x7f", "a\x85"])
def test_a_folder_that_yaml_cannot_hold_is_refused(folder):
    with pytest.raises(BadInputError, match="control characters"):
        with_live(serve_config(OLD), Live(Place("a", folder)))


def test_a_value_that_others_refer_to_is_left_alone():
    shared = serve_config(OLD).replace('{"stable"', '&live {"stable"', 1)
    head, _, _ = shared.partition("      - name: EventSink")
    text = head + "      - {name: EventSink, user_config: *live}\n"
    with pytest.raises(BadInputError, match="refer"):
        with_live(text, NEW)
