"""A text encoder that does not fit is told of before anything is started."""

import numpy as np
import pytest
from ports import free_port
from search_shop import write_release_with_vectors
from small_shop import CATEGORIES, FOLDERS, NUM_ITEMS, write_small_release

from coterie.content.endpoint import EndpointEncoder, EndpointSettings
from coterie.errors import BadInputError
from coterie.release.encoders import ReleasedEncoder
from coterie.rollout.state import State
from coterie.rollout.store import FileRolloutStore
from serving import app
from serving.launch.preflight import check_text_encoder
from serving.rollouts.release_locator import first_stable
from serving.settings import Settings
from tests.embeddings_api import KEY, MODEL, EmbeddingsApi


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A release that an encoder made which nobody can name."""
    folder = tmp_path_factory.mktemp("words") / "v1"
    write_release_with_vectors(folder)
    return str(folder)


@pytest.fixture(scope="module")
def api():
    with EmbeddingsApi({"kitchen": 0, "climb": 1}).answering() as api:
        yield api


@pytest.fixture
def by_api(tmp_path):
    """Writes a release whose texts an API encoded."""

    def write(address, width, version="v1"):
        told = EndpointEncoder(EndpointSettings(address, MODEL))
        made = ReleasedEncoder(told.name, told.digest, address, MODEL)
        text = np.eye(NUM_ITEMS, width)
        release = write_small_release(tmp_path / version, version, content={"text": (text, made)})
        return FOLDERS[release.digest]

    return write


def check(release, place, key=""):
    check_text_encoder(Settings(release=release, text_encoder=place, content_key=key), release)


def test_another_encoder_is_one_line_and_nothing_is_started(words, folder, capsys, monkeypatch):
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    (folder / "feature_store.yaml").write_text("")
    monkeypatch.setenv("COTERIE_TEXT_ENCODER", "default")
    port = str(free_port())
    state = folder / "state"
    given = {"release": words, "features": folder, "state": state, "port": port}
    arguments = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    assert app.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "release v1 has vectors of words-1" in said
    assert "set COTERIE_TEXT_ENCODER to that one, or to none" in said
    assert not state.exists()


@pytest.mark.parametrize("place", ["", "none"])
def test_where_none_is_set_none_is_tried(words, place):
    check(words, place)


def test_a_release_without_vectors_needs_none(tmp_path):
    write_small_release(tmp_path / "v1")
    check(str(tmp_path / "v1"), "/no/such/folder")


def test_a_folder_that_is_not_there_is_refused(words, tmp_path):
    pytest.importorskip("transformers", reason="the extra content is not installed")
    with pytest.raises(BadInputError, match="none holds no encoder"):
        check(words, str(tmp_path / "none"))


def test_an_api_is_asked_with_its_key(api, by_api, capsys):
    release = by_api(api.address, api.width)
    check(release, api.address, KEY)
    assert api.asked == ["a"]
    with pytest.raises(BadInputError, match=r"refuses: status 401; are key and model right\?"):
        check(release, api.address, "another key")
    assert capsys.readouterr().err == ""


def test_an_api_whose_vectors_have_another_form_is_refused(api, by_api):
    with pytest.raises(BadInputError, match=f"have 16 numbers and not {api.width}"):
        check(by_api(api.address, 16), api.address, KEY)


def test_an_api_that_is_away_is_a_warning_since_words_can_still_be_searched(by_api, capsys):
    port = free_port()
    check(by_api(f"http://127.0.0.1:{port}/v1", 4), f"http://127.0.0.1:{port}/v1", KEY)
    said = capsys.readouterr().err
    assert said.startswith("warning: COTERIE_TEXT_ENCODER: tiny-meaning@127.0.0.1 does not answer")
    assert said.count("\n") == 1


def test_what_was_rolled_out_since_is_what_has_to_fit(by_api, tmp_path):
    releases, state = tmp_path / "releases", tmp_path / "state"
    begun = by_api("http://one.example/v1", 4)
    settings = Settings(release=begun, releases=str(releases), state=str(state))
    assert first_stable(settings).folder == begun
    assert not state.exists()
    made = ReleasedEncoder("words-2", "ef" * 32)
    later = write_small_release(
        releases / "v2", "v2", content={"text": (np.eye(NUM_ITEMS, len(CATEGORIES)), made)}
    )
    FileRolloutStore(settings.rollouts_root).write(State(stable=later.digest), 0)
    assert first_stable(settings).digest == later.digest
    assert first_stable(settings).folder == str(releases / "v2")


@pytest.mark.parametrize("place", ["", "none", "default", "s3://models/e5", "https://a.example/v1"])
def test_a_place_that_is_no_folder_here_is_left_as_it_is(place):
    given = Settings(release="r", text_encoder=place)
    assert app._with_whole_paths(given).text_encoder == place


def test_replicas_find_a_folder_wherever_they_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    given = Settings(release="r", text_encoder="models/e5")
    assert app._with_whole_paths(given).text_encoder == str(folder / "models/e5")
