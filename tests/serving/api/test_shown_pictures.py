"""Whose pictures the storefront shows, and what of a folder it does not."""

import pytest
from small_shop import item, write_small_release

from coterie.errors import BadInputError
from serving.api.picture_files import PictureFiles

PNG = b"\x89PNG\r\n\x1a\n"
IMAGES = {0: "pictures/pan.png", 1: "https://cdn.example/a.jpg", 2: "s3://shop/a.jpg", 3: "/a.png"}


@pytest.fixture
def shelf(folder):
    """A folder of pictures, with what is none of anybody's business in it and beside it."""
    shown = folder / "raw" / "pictures"
    shown.mkdir(parents=True)
    files = ("pan.png", "pot.JPG", "drawing.svg", ".hidden.png", "page.html", "noending")
    for name in files:
        (shown / name).write_bytes(PNG)
    (folder / "raw" / "events.parquet").write_bytes(b"PAR1")
    (folder / "secret.png").write_bytes(PNG)
    (shown / "link.png").symlink_to(folder / "secret.png")
    return folder / "raw"


@pytest.fixture
def shop(make_client, shelf, folder):
    release = write_small_release(folder / "releases" / "v2", "v2", images=IMAGES)
    return make_client(release, pictures=str(shelf))


def test_an_item_tells_of_its_picture_only_what_everybody_may_see(shop):
    ids = [item(row) for row in range(5)]
    told = shop.get("/v1/items", params={"ids": ids}).json()["items"]
    assert [one.get("image") for one in told] == [*list(IMAGES.values())[:2], None, None, None]


def test_a_picture_is_shown_and_kept_for_a_while(shop):
    for name in ("pan.png", "pot.JPG"):
        answer = shop.get(f"/pictures/pictures/{name}")
        assert (answer.status_code, answer.content) == (200, PNG)
        assert answer.headers["Content-Type"].startswith("image/")
        assert answer.headers["Cache-Control"] == "public, max-age=3600"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "%2e%2e/secret.png",
        "pictures/%2e%2e/%2e%2e/secret.png",
        "pictures/..%2f..%2fsecret.png",
        "pictures//etc/passwd",
        "pictures/link.png",
        "pictures/drawing.svg",
        "pictures/page.html",
        "pictures/noending",
        "pictures/.hidden.png",
        "pictures/nothing.png",
        "pictures",
        "events.parquet",
        "pictures/pan.png%00.png",
    ],
)
def test_nothing_else_is_shown(shop, path):
    answer = shop.get(f"/pictures/{path}")
    assert 400 <= answer.status_code < 500
    assert PNG not in answer.content


def test_without_a_folder_or_without_the_storefront_there_are_no_pictures(
    make_client, release, shelf
):
    assert make_client(release).get("/pictures/pictures/pan.png").status_code == 404
    for storefront, status in ((True, 200), (False, 404)):
        client = make_client(release, pictures=str(shelf), storefront=storefront)
        assert client.get("/pictures/pictures/pan.png").status_code == status
        assert client.get("/v1/new-items").status_code == status
    with pytest.raises(BadInputError, match="which is no folder"):
        PictureFiles(str(shelf / "events.parquet"))


def test_the_page_is_told_where_pictures_are_and_may_show_those_behind_https(shop, make_client):
    page = shop.get("/?shopper=ana&q=pan")
    assert '<meta name="pictures" content="/pictures/">' in page.text
    assert "img-src 'self' data: https:;" in page.headers["Content-Security-Policy"]
    assert "img-src 'self' data:;" in shop.get("/operations").headers["Content-Security-Policy"]
    assert '<meta name="pictures" content="">' in make_client().get("/").text


def test_what_entered_last_is_listed_first(shop):
    """Of those whose day is known, and that can be had: item 8, the newest, cannot."""
    assert ids(shop.get("/v1/new-items")) == [item(22), item(21)]
    assert ids(shop.get("/v1/new-items", params={"limit": 1})) == [item(22)]


def ids(answer):
    return [one["item_id"] for one in answer.json()["items"]]
