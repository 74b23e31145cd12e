import numpy as np
import pytest
from s3_server import s3  # noqa: F401 - a fixture

from coterie.content.fetch import Fetcher, FetchSettings
from coterie.content.vectors import ItemVectors
from coterie.data.stores import open_store
from coterie.errors import BadInputError
from coterie.workflow.content_folder import CONTENT_REPORT, content_folder, earlier_content


def made(folder, number):
    folder.mkdir(exist_ok=True)
    vectors = np.full((2, 3), number, np.float16)
    ItemVectors("text", "toy", "ab" * 32, ("a", "b"), vectors).write(folder)
    return folder


def first_number(place):
    with earlier_content(place) as near:
        return ItemVectors.read(near, "text").vectors[0, 0]


def test_a_folder_is_replaced_and_found_again(tmp_path):
    keep = str(tmp_path / "keep")
    with earlier_content(keep) as near:
        assert list(near.iterdir()) == []
    for number in (1, 2):
        content_folder(made(tmp_path / "made", number), keep, "{}")
        assert first_number(keep) == number
    assert len(list((tmp_path / "keep").glob("*.safetensors"))) == 1


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep/diary.txt").write_text("dear")
    with pytest.raises(BadInputError, match=r"holds diary\.txt"):
        content_folder(made(tmp_path / "made", 1), str(tmp_path / "keep"), "{}")


def test_a_bucket_keeps_the_newest_alone(s3, tmp_path):  # noqa: F811
    fs, _ = open_store("s3://shop/x")
    fs.makedirs("shop", exist_ok=True)
    keep = "s3://shop/content"
    for number in (1, 2):
        content_folder(made(tmp_path / "made", number), keep, "{}")
        assert first_number(keep) == number
    fs.invalidate_cache()
    names = [one.rpartition("/")[2] for one in fs.ls("shop/content", detail=False)]
    assert CONTENT_REPORT in names
    assert sum(name.endswith(".safetensors") for name in names) == 1
    fs.pipe_file("shop/pictures/a.png", b"picture")
    fs.pipe_file("shop/secret/b.png", b"secret")
    reader = Fetcher("image", FetchSettings(roots=("s3://shop/pictures",), max_bytes=10))
    assert reader.fetch("s3://shop/pictures/a.png") == b"picture"
    before = reader.stamps(["s3://shop/pictures/a.png", "s3://shop/pictures/none.png"])
    assert before[0] != ""
    assert before[1] == ""
    for bad in ("s3://shop/secret/b.png", "s3://shop/pictures/../secret/b.png", "s3://shop/none"):
        with pytest.raises(BadInputError):
            reader.fetch(bad)
    fs.pipe_file("shop/pictures/a.png", b"x" * 11)
    assert reader.stamps(["s3://shop/pictures/a.png"])[0] != before[0]
    with pytest.raises(BadInputError, match="more than 10 bytes"):
        reader.fetch("s3://shop/pictures/a.png")
