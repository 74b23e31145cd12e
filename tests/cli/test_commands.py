import json

import pytest

from coterie.cli import main
from coterie.release.bundle import load_release
from coterie.release.store import ReleaseStore


def run(typed):
    assert main(typed.split()) == 0


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The way from nothing to a release, as a person types it."""
    folder = tmp_path_factory.mktemp("shop")
    run(f"simulate --out {folder}/raw --users 200 --items 120 --events 9000 --days 60")
    run(f"ingest {folder}/raw --out {folder}/clean")
    run(f"train {folder}/clean --out {folder}/model --epochs 6 --release-version v1")
    return folder


def recommend(shop, user, capsys):
    capsys.readouterr()
    run(f"recommend {user} --release {shop}/model --data {shop}/clean -k 5 --json")
    return json.loads(capsys.readouterr().out)


def test_training_leaves_a_release_that_can_be_read(shop):
    release = ReleaseStore(f"{shop}/model/releases").get("v1")
    assert len(release.popularity) == 120
    assert release.manifest.metrics["validation"]["ndcg@20"] > 0


def test_a_shopper_gets_a_list_with_reasons_that_add_up(shop, capsys):
    answer = recommend(shop, "shopper-0004", capsys)
    assert answer["known"]
    assert len(answer["items"]) == 5
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    for item in answer["items"]:
        assert sum(reason["share"] for reason in item["reasons"]) == pytest.approx(1)
        total = sum(reason["contribution"] for reason in item["reasons"])
        assert total == pytest.approx(item["score"], abs=1e-4)


def test_the_lists_of_all_shoppers_are_written_to_files(shop, capsys):
    from coterie.all_lists.output import read_lists

    run(f"recommend --all --release {shop}/model --data {shop}/clean --out {shop}/lists -k 5")
    assert "Lists of 200 shoppers by release v1" in capsys.readouterr().out
    lists = {row["user_id"]: row for row in read_lists(f"{shop}/lists").to_pylist()}
    answer = recommend(shop, "shopper-0004", capsys)
    assert lists["shopper-0004"]["item_ids"] == [item["item_id"] for item in answer["items"]]
    for typed, expected in (
        (f"--all --release {shop}/model --data {shop}/clean", "--out"),
        (f"shopper-0004 --release {shop}/model --features {shop}/clean", "goes with --all"),
    ):
        assert main(["recommend", *typed.split()]) == 2
        assert expected in capsys.readouterr().err


def test_the_list_is_shown_to_people_as_a_table(shop, capsys):
    capsys.readouterr()
    run(f"recommend shopper-0004 --release {shop}/model/releases/v1 --data {shop}/clean -k 3")
    told = capsys.readouterr().out
    assert "shopper-0004" in told
    assert "v1" in told
    assert "You " in told or "in your history" in told


def test_an_id_is_brought_into_its_form_as_ingest_does(shop, capsys):
    plain = recommend(shop, "shopper-0004", capsys)
    for typed, kept in (("\u00a0shopper-0004 ", "shopper-0004"), ("Zoe\u0308", "Zo\u00eb")):
        given = ["--release", f"{shop}/model", "--data", f"{shop}/clean", "-k", "5", "--json"]
        assert main(["recommend", typed, *given]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["user_id"] == kept
        assert (answer == plain) is (kept == "shopper-0004")


def test_a_stranger_gets_what_most_shoppers_had(shop, capsys):
    answer = recommend(shop, "nobody", capsys)
    assert not answer["known"]
    assert answer["source"] == "popular"
    release = load_release(f"{shop}/model/releases/v1")
    scores = [item["score"] for item in answer["items"]]
    assert scores[0] == release.popularity[release.available].max()
    assert {r["kind"] for item in answer["items"] for r in item["reasons"]} == {"popular"}


def test_training_again_under_the_same_version_is_refused(shop, capsys):
    capsys.readouterr()
    typed = f"train {shop}/clean --out {shop}/model --epochs 6 --release-version v1"
    assert main(typed.split()) == 2
    assert "never overwritten" in capsys.readouterr().err


def test_a_challenger_that_does_not_win_is_not_released(shop, capsys):
    capsys.readouterr()
    typed = f"train {shop}/clean --out {shop}/other --epochs 1 --min-gain 1"
    assert main([*typed.split()]) == 2
    told = capsys.readouterr().err
    assert "no release is made" in told
    assert "not over popularity" in told
    assert not (shop / "other" / "releases").exists()


def test_models_are_compared_without_training_the_challenger_again(shop, capsys):
    capsys.readouterr()
    out = f"{shop}/evaluation"
    run(
        f"evaluate {shop}/clean --out {out} --challenger {shop}/model "
        "--models popularity item_knn social"
    )
    told = capsys.readouterr().out
    assert "social over" in told
    models = json.loads((shop / "evaluation" / "comparison.json").read_text())["models"]
    # Served lists draw on fewer than all friends: what that costs is told beside it.
    assert set(models) == {"popularity", "item_knn", "social", "social_all_friends"}
    assert "as served over drawing on all friends" in told
    run(f"report {out} --data {shop}/clean")
    page = (shop / "evaluation" / "report.html").read_text()
    assert "item_knn" in page or "Item-kNN" in page or "item-kNN" in page
    assert "http://" not in page.split("<script")[0]


@pytest.fixture(scope="module")
def with_content(shop):
    """The same shop, its words encoded before training."""
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    run(
        f"content {shop}/clean --out {shop}/content --text default --config texts.max_characters=50"
    )
    run(
        f"train {shop}/clean --out {shop}/told --epochs 2 --release-version v1 "
        f"--content {shop}/content"
    )
    return shop


def test_what_was_encoded_is_in_the_release(with_content):
    release = ReleaseStore(f"{with_content}/told/releases").get("v1")
    assert release.vectors["text"].shape == (120, 512)
    assert release.vectors["text"].any(axis=1).all()
    assert release.manifest.encoders["text"].place == "default"


def test_content_that_is_there_is_not_encoded_again(with_content, capsys):
    config = "--config texts.max_characters=50"
    capsys.readouterr()
    run(f"content {with_content}/clean --out {with_content}/content --text default {config}")
    assert "120 of 120 items have vectors" in capsys.readouterr().out.replace("\n", " ")


def test_an_evaluation_takes_the_content_that_the_challenger_had(with_content, tmp_path, capsys):
    told = f"evaluate {with_content}/clean --out {tmp_path} --challenger {with_content}/told"
    models = "--models popularity social"
    assert main(f"{told} {models}".split()) == 2
    assert "give the content that training had" in " ".join(capsys.readouterr().err.split())
    run(f"{told} {models} --content {with_content}/content")


def test_nothing_to_encode_is_said(shop, capsys):
    assert main(f"content {shop}/clean --out {shop}/none".split()) == 2
    assert "--text default" in capsys.readouterr().err
    assert main(f"content {shop}/clean --out {shop}/none --image https://a.example/v1".split()) == 2
    assert "addresses encode texts alone" in capsys.readouterr().err
