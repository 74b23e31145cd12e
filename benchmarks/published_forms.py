"""Made-up shops in the forms in which well-known data sets are published.

Nothing in them is copied: people, items and words are drawn by chance, with tastes that people of
one circle share, so that a model has something to learn.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
_START: Final = 1_546_300_800
"""2019-01-01, UTC."""
_YEAR_S: Final = 365 * 86_400
_GENRES: Final = ("Garden", "Kitchen", "Bath", "Desk", "Trail", "Games", "Music", "Wool")
_ADJECTIVES: Final = ("Red", "Small", "Über", "Café", "Plain", "Old", "Swift", "Round")
_NOUNS: Final = ("Lamp", "Kettle", "Box", "Rug", "Clock", "Chair", "Bowl", "Tent")


@dataclass(frozen=True, slots=True)
class World:
    """Who did what, in arrays of one row an event."""

    user: Ints
    item: Ints
    rating: Ints
    """1 to 5."""
    time: Ints
    """Seconds since 1970, ascending."""
    circle: Ints
    """Of each user."""
    friends: Ints
    """Shape (n, 2)."""

    @property
    def num_items(self) -> int:
        """Items that may be named."""
        return int(self.item.max()) + 1

    def title(self, item: int) -> str:
        """Give a name for people."""
        adjective, noun = _ADJECTIVES[item % 8], _NOUNS[item // 8 % 8]
        return f"{adjective} {noun} No. {item}"

    def genre(self, item: int) -> str:
        """Name what people of the item's circle like."""
        return _GENRES[item % len(_GENRES)]


def make_world(
    num_users: int = 400, num_items: int = 320, per_user: int = 36, seed: int = 7
) -> World:
    """Draw a shop: people of a circle like the items of their circle's genre."""
    rng = np.random.default_rng(seed)
    circles = len(_GENRES)
    circle = rng.integers(0, circles, num_users)
    user = np.repeat(np.arange(num_users), per_user)
    popular = 1 / np.arange(1, num_items // circles + 1) ** 0.7
    rank = rng.choice(len(popular), len(user), p=popular / popular.sum())
    at_home = rng.random(len(user)) < 0.75
    genre = np.where(at_home, circle[user], rng.integers(0, circles, len(user)))
    item = rank * circles + genre
    rating = np.clip(np.where(at_home, 4, 3) + rng.integers(-1, 2, len(user)), 1, 5)
    time = _START + np.sort(rng.integers(0, _YEAR_S, len(user)))
    order = rng.permutation(len(user))
    _, first = np.unique(user[order] * num_items + item[order], return_index=True)
    kept = order[np.sort(first)]
    return World(
        user[kept], item[kept], rating[kept], time[: len(kept)], circle, _friends(circle, rng)
    )


def _friends(circle: Ints, rng: np.random.Generator) -> Ints:
    """About eight people of one's own circle each."""
    first = np.repeat(np.arange(len(circle)), 8)
    second = rng.integers(0, len(circle), len(first))
    alike = (circle[first] == circle[second]) | (rng.random(len(first)) < 0.1)
    pairs = np.stack([first, second], axis=1)[alike & (first != second)]
    return np.unique(pairs, axis=0)


def movielens(folder: Path, world: World) -> None:
    """``ml-latest``: CSV with headers, half stars, tags, and a file of links that says nothing."""
    rows = zip(world.user + 1, world.item + 1, world.rating - 0.5, world.time, strict=True)
    _csv(folder / "ratings.csv", ("userId", "movieId", "rating", "timestamp"), rows)
    movies = [
        (i + 1, f"{world.title(i)} (1999)", f"{world.genre(i)}|Drama")
        for i in range(world.num_items)
    ]
    _csv(folder / "movies.csv", ("movieId", "title", "genres"), movies)
    tags = [
        (world.user[e] + 1, world.item[e] + 1, 'so, so "good"', world.time[e])
        for e in range(0, len(world.user), 40)
    ]
    _csv(folder / "tags.csv", ("userId", "movieId", "tag", "timestamp"), tags)
    links = [(i + 1, f"{i:07d}", 800 + i) for i in range(world.num_items)]
    _csv(folder / "links.csv", ("movieId", "imdbId", "tmdbId"), links)
    (folder / "README.txt").write_text("Made up.\n")


def movielens_1m(folder: Path, world: World) -> None:
    """``ml-1m``: two colons between fields, no header, latin-1."""
    rows = zip(world.user + 1, world.item + 1, world.rating, world.time, strict=True)
    _lines(folder / "ratings.dat", ("::".join(map(str, row)) for row in rows))
    movies = (
        f"{i + 1}::{world.title(i)} (1999)::{world.genre(i)}|Children's"
        for i in range(world.num_items)
    )
    _lines(folder / "movies.dat", movies, "latin-1")
    people = (f"{u + 1}::F::25::{u % 20}::{10_000 + u}" for u in range(len(world.circle)))
    _lines(folder / "users.dat", people)


def amazon(folder: Path, world: World) -> None:
    """Reviews and metadata of 2014 and 2018: JSON Lines, gzip."""
    reviews = (
        {
            "reviewerID": f"A{u:013d}",
            "asin": _asin(i),
            "reviewerName": f"Somebody {u}",
            "helpful": [2, 3],
            "reviewText": f'A {world.genre(i).lower()} thing, "as told"',
            "overall": float(r),
            "summary": "Words",
            "unixReviewTime": int(t),
            "reviewTime": datetime.fromtimestamp(t, UTC).strftime("%m %d, %Y"),
        }
        for u, i, r, t in _events(world)
    )
    _json(folder / "reviews_Home_and_Kitchen_5.json.gz", reviews)
    items = (
        {
            "asin": _asin(i),
            "title": world.title(i),
            "description": [f"Made for {world.genre(i)}."],
            "price": f"${i % 90 + 0.99:.2f}" if i % 5 else "",
            "brand": f"Brand {i % 13}",
            "category": ["Home", world.genre(i)],
        }
        for i in range(world.num_items)
    )
    _json(folder / "meta_Home_and_Kitchen.json.gz", items)


def amazon_2023(folder: Path, world: World) -> None:
    """Reviews and metadata of 2023: other names, milliseconds."""
    reviews = (
        {
            "rating": float(r),
            "title": "Words",
            "text": f"Fine for {world.genre(i)}",
            "images": [],
            "asin": _asin(i),
            "parent_asin": _asin(i),
            "user_id": f"AE{u:026d}",
            "timestamp": int(t) * 1000 + 7,
            "helpful_vote": 0,
            "verified_purchase": True,
        }
        for u, i, r, t in _events(world)
    )
    _json(folder / "All_Beauty.jsonl.gz", reviews)
    items = (
        {
            "main_category": "All Beauty",
            "title": world.title(i),
            "average_rating": 4.2,
            "rating_number": 10,
            "features": [],
            "description": [f"Made for {world.genre(i)}.", "Washable."],
            "price": i % 90 + 0.99 if i % 5 else None,
            "images": [{"thumb": "https://example.org/1.jpg", "variant": "MAIN"}],
            "store": f"Brand {i % 13}",
            "categories": ["Beauty", world.genre(i)],
            "details": {"Colour": "Red"},
            "parent_asin": _asin(i),
            "bought_together": None,
        }
        for i in range(world.num_items)
    )
    _json(folder / "meta_All_Beauty.jsonl.gz", items)


def online_retail(folder: Path, world: World) -> None:
    """Invoices of one shop: American dates, latin-1, guests without an id, cancellations."""
    rows = []
    for event, (u, i, r, t) in enumerate(_events(world)):
        at = datetime.fromtimestamp(t, UTC)
        when = f"{at.month}/{at.day}/{at.year} {at.hour}:{at.minute:02d}"
        code, name, price = f"{20_000 + i}A", f"{world.title(i).upper()} £5", f"{i % 40 + 0.85:.2f}"
        customer = "" if event % 5 == 0 else f"{12_000 + u}.0"
        invoice = 536_000 + event // 3
        rows.append((invoice, code, name, r * 2, when, price, customer, "United Kingdom"))
        if event % 60 == 7:
            rows.append((f"C{invoice}", code, name, -r * 2, when, price, customer, "France"))
    header = (
        *("InvoiceNo", "StockCode", "Description", "Quantity"),
        *("InvoiceDate", "UnitPrice", "CustomerID", "Country"),
    )
    _csv(folder / "Online Retail.csv", header, rows, "latin-1")


def book_crossing(folder: Path, world: World) -> None:
    """Semicolons, everything quoted, latin-1, backslashes before quotes, 0 to 10, no times."""
    rows = [
        (200_000 + u, _isbn(i), 0 if e % 3 == 0 else r * 2)
        for e, (u, i, r, _) in enumerate(_events(world))
    ]
    _quoted(folder / "BX-Book-Ratings.csv", ("User-ID", "ISBN", "Book-Rating"), rows)
    books = [
        (
            *(_isbn(i), f'{world.title(i)}: "A Novel"', f"Author {i % 50}", 1990 + i % 20),
            *(f"Press & {i % 9}", *(f"http://example.org/{i}.{size}.jpg" for size in "SML")),
        )
        for i in range(world.num_items)
    ]
    header = ("ISBN", "Book-Title", "Book-Author", "Year-Of-Publication", "Publisher")
    images = tuple(f"Image-URL-{size}" for size in "SML")
    _quoted(folder / "BX-Books.csv", (*header, *images), books)
    people = [(200_000 + u, "köln, germany", "NULL") for u in range(len(world.circle))]
    _quoted(folder / "BX-Users.csv", ("User-ID", "Location", "Age"), people)


def film_trust(folder: Path, world: World) -> None:
    """Spaces between fields, no header, half stars up to 4, trust, no times."""
    rows = (
        (u + 1, i + 1, f"{r - 1 - 0.5 * (e % 2):g}")
        for e, (u, i, r, _) in enumerate(_events(world))
    )
    _lines(folder / "ratings.txt", (" ".join(map(str, row)) for row in rows))
    _lines(folder / "trust.txt", (f"{a + 1} {b + 1} 1" for a, b in world.friends.tolist()))


def gowalla(folder: Path, world: World) -> None:
    """Check-ins: tabs, no header, gzip; places have a position and no name."""
    rows = (
        f"{u}\t{datetime.fromtimestamp(t, UTC):%Y-%m-%dT%H:%M:%SZ}\t"
        f"{30 + i / 977:.10f}\t{-97 - i / 977:.10f}\t{22_000 + i}"
        for u, i, _, t in _events(world)
    )
    _lines(folder / "loc-gowalla_totalCheckins.txt.gz", rows)
    both = np.unique(np.concatenate([world.friends, world.friends[:, ::-1]]), axis=0)
    _lines(folder / "loc-gowalla_edges.txt.gz", (f"{a}\t{b}" for a, b in both.tolist()))


def retail_rocket(folder: Path, world: World) -> None:
    """Write a funnel log in milliseconds: views, carts and transactions."""
    rows = [
        row
        for e, (u, i, r, t) in enumerate(_events(world))
        for row in _funnel(e, u, i, r, int(t) * 1000)
    ]
    header = ("timestamp", "visitorid", "event", "itemid", "transactionid")
    _csv(folder / "events.csv", header, rows)
    tree = [(c, "" if c < 3 else c % 3) for c in range(20)]
    _csv(folder / "category_tree.csv", ("categoryid", "parentid"), tree)
    told = [(int(world.time[0]) * 1000, i, "categoryid", i % 20) for i in range(world.num_items)]
    _csv(folder / "item_properties_part1.csv", ("timestamp", "itemid", "property", "value"), told)


def _funnel(event: int, user: int, item: int, rating: int, ms: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = [(ms, user, "view", item, "")]
    if rating >= 3:
        rows.append((ms + 60_000, user, "addtocart", item, ""))
    if rating >= 4:
        rows.append((ms + 120_000, user, "transaction", item, event))
    return rows


def rees46(folder: Path, world: World) -> None:
    """Write a funnel log by month, with what events tell of their products."""
    header = (
        *("event_time", "event_type", "product_id", "category_id", "category_code"),
        *("brand", "price", "user_id", "user_session"),
    )
    months: dict[str, list[tuple[Any, ...]]] = {}
    names = {"view": "view", "addtocart": "cart", "transaction": "purchase"}
    for e, (u, i, r, t) in enumerate(_events(world)):
        at = datetime.fromtimestamp(t, UTC)
        when = f"{at:%Y-%m-%d %H:%M:%S} UTC"
        code = f"home.{world.genre(i).lower()}" if i % 4 else ""
        told = (4_000_000 + i, 2_053_013_555_631_882_655 + i % 8, code, f"brand{i % 13}", f"{i}.99")
        kinds = [names[row[2]] for row in _funnel(e, u, i, r, 0)]
        kinds += ["remove_from_cart"] if e % 25 == 0 else []
        for kind in kinds:
            row = (when, kind, *told, 512_000_000 + u, f"{e:08x}-0000-4000-8000-000000000000")
            months.setdefault(f"{at:%Y-%b}", []).append(row)
    for month, rows in months.items():
        _csv(folder / f"{month}.csv", header, rows)


FORMS: Final[dict[str, Callable[[Path, World], None]]] = {
    "MovieLens (ml-latest)": movielens,
    "MovieLens (ml-1m)": movielens_1m,
    "Amazon reviews (2018)": amazon,
    "Amazon reviews (2023)": amazon_2023,
    "Online Retail": online_retail,
    "Book-Crossing": book_crossing,
    "FilmTrust": film_trust,
    "Gowalla": gowalla,
    "Funnel log (RetailRocket)": retail_rocket,
    "Funnel log (REES46)": rees46,
}
"""By the name of what is published so."""


def _events(world: World) -> Iterable[tuple[int, int, int, int]]:
    columns = (world.user, world.item, world.rating, world.time)
    return zip(*(column.tolist() for column in columns), strict=True)


def _asin(item: int) -> str:
    return f"B{item:09d}"


def _isbn(item: int) -> str:
    return f"{100_000_000 + item}X"


def _csv(
    file: Path, header: tuple[str, ...], rows: Iterable[Iterable[Any]], encoding: str = "utf-8"
) -> None:
    with file.open("w", encoding=encoding, newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)


def _quoted(file: Path, header: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> None:
    with file.open("w", encoding="latin-1", newline="") as out:
        writer = csv.writer(
            out, delimiter=";", quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\"
        )
        writer.writerow(header)
        writer.writerows(rows)


def _lines(file: Path, lines: Iterable[str], encoding: str = "utf-8") -> None:
    _write(file, "".join(f"{line}\n" for line in lines).encode(encoding))


def _json(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    _lines(file, (json.dumps(row) for row in rows))


def _write(file: Path, data: bytes) -> None:
    if file.suffix == ".gz":
        packed = io.BytesIO()
        # Without the time of day, so that the same shop gives the same bytes.
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as out:
            out.write(data)
        data = packed.getvalue()
    file.write_bytes(data)
