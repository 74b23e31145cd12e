import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.data.ingest import IngestConfig, ingest
from coterie.data.mapping.document import parse_mapping
from coterie.data.mapping.look import TIME, look_at
from coterie.data.mapping.survey import survey, with_rules
from coterie.data.mapping.write import mapping_text
from coterie.data.simulate import ShopConfig, simulate
from coterie.errors import BadInputError


def type_of(values, name="x"):
    return look_at(name, pa.array(values, pa.string())).type


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", "3"], "whole number"),
        (["1.0", "2.0"], "whole number"),
        (["1.5", "2"], "number"),
        (["1,5", "2.000,25"], "number with a comma"),
        (["1546301481", "1546301482", "1546301483"], "Unix time"),
        (["1546301481007"] * 5, "Unix time"),
        (["2010-10-19T23:55:27Z", "2011-01-01T00:00:00Z"], "time"),
        (["2019-10-01 00:00:00 UTC"], "time"),
        (["31.12.2010", "1.1.2011"], "time"),
        (["true", "false"], "yes or no"),
        (["view", "cart"] * 20, "one of few words"),
        (["A1", "B2", "C3"], "id"),
        (["A red lamp", "A blue one"], "text"),
        (['{"a": 1}', '{"a": 2}'], "list or object"),
        (["", None, "NULL"], "empty"),
        (["30.0040941658", "-97.0665301945"], "coordinate"),
    ],
)
def test_a_column_is_what_its_values_are(values, kind):
    name = "timestamp" if kind == "Unix time" else "x"
    assert type_of(values, name) == kind


def test_large_ids_are_no_times_but_for_their_name():
    assert type_of(["1546301481", "1546301482", "1546301483"], "product_id") == "whole number"


def test_what_is_missing_is_counted():
    look = look_at("x", pa.array(["a", "", None, "NULL", "b"], pa.string()))
    assert look.missing == pytest.approx(0.6)
    assert look.examples == ("a", "b")


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return str(folder)


def mapping_of(folder):
    text = mapping_text(with_rules(survey(folder)))
    return text, parse_mapping(text)


ITEMS = "sku,name,price\n" + "".join(f"S{n},Thing {n},{n}.5\n" for n in range(60))


def orders(form, rows=300):
    return "customer_id;sku;order_date;quantity\n" + "".join(
        f"K{n % 40};S{n % 60};{form.format(d=n % 28 + 1, m=n % 12 + 1)};{n % 3 + 1}\n"
        for n in range(rows)
    )


def test_a_date_that_reads_both_ways_is_asked_about(tmp_path):
    clear = write(tmp_path / "clear", orders=orders("{d}/{m}/2021 10:00"), items=ITEMS)
    text, _ = mapping_of(clear)
    assert 'format: "%d/%m/%Y %H:%M"' in text
    assert "day or month first?" not in text
    early = orders("{d}/{m}/2021 10:00").replace(";2", ";3").splitlines()
    kept = [line for line in early if "/" not in line or int(line.split(";")[2].split("/")[0]) < 13]
    unclear = write(tmp_path / "unclear", orders="\n".join(kept) + "\n", items=ITEMS)
    text, _ = mapping_of(unclear)
    assert "# ? day or month first?" in text
    assert "%d/%m/%Y %H:%M and %m/%d/%Y %H:%M" in text


def test_a_date_that_the_first_rows_leave_open_is_decided_by_the_last(tmp_path):
    head = "customer_id,sku,order_date\n"
    rows = "".join(f"K{n % 40},S{n % 60},3/{n % 12 + 1}/2021\n" for n in range(25_000))
    folder = write(tmp_path / "x", orders=head + rows + "K1,S1,3/25/2021\n", items=ITEMS)
    text, _ = mapping_of(folder)
    assert '"%m/%d/%Y"' in text
    assert "day or month" not in text


def test_prices_with_a_comma_are_seen(tmp_path):
    items = "sku;name;price\n" + "".join(f"S{n};Thing {n};{n},50\n" for n in range(60))
    folder = write(tmp_path / "x", orders=orders("2021-{m:02d}-{d:02d}"), items=items)
    _, mapping = mapping_of(folder)
    assert mapping.items[0].columns["price"].decimal == ","
    ingest(folder, str(tmp_path / "clean"), IngestConfig(max_bad_share=0), mapping=mapping)
    found = pq.read_table(tmp_path / "clean" / "items.parquet")
    assert found["price"].to_pylist()[:2] == [0.5, 1.5]


def test_words_that_nobody_knows_are_named_and_never_dropped(tmp_path):
    log = "user_id,item_id,event_type,timestamp\n" + "".join(
        f"u{n % 40},i{n % 30},{('view', 'addtocart', 'wiggle')[n % 3]},{1_600_000_000 + n}\n"
        for n in range(300)
    )
    folder = write(tmp_path / "x", log=log)
    text, mapping = mapping_of(folder)
    assert "# ? not known: wiggle: give each a kind" in text
    assert mapping.events[0].columns["event"].words == {"view": "view", "addtocart": "cart"}
    with pytest.raises(BadInputError, match="none of the mapping's words") as error:
        ingest(folder, str(tmp_path / "clean"), mapping=mapping)
    assert "100 of 300 rows of events" in str(error.value)


def test_parts_of_one_table_are_one_part_of_the_mapping(tmp_path):
    folder = write(
        tmp_path / "x", a=orders("2021-{m:02d}-{d:02d}"), b=orders("2022-{m:02d}-{d:02d}")
    )
    _, mapping = mapping_of(folder)
    assert [part.files for part in mapping.events] == [("a.csv", "b.csv")]


def test_parquet_is_looked_at_as_well(tmp_path):
    (tmp_path / "x").mkdir()
    table = pa.table(
        {
            "customer": pa.array(range(100)),
            "product_id": pa.array([f"p{n % 20}" for n in range(100)]),
            "order_date": pa.array(range(100), pa.int64()).cast(pa.timestamp("s")),
        }
    )
    pq.write_table(table, tmp_path / "x" / "orders.parquet")
    _, mapping = mapping_of(str(tmp_path / "x"))
    assert mapping.times
    assert mapping.events[0].columns["user_id"].columns == ("customer",)


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(tmp_path):
    folder = write(tmp_path / "x", orders=orders("2021-{m:02d}-{d:02d}"), items=ITEMS, empty="")
    (tmp_path / "x" / "report.xlsx").write_bytes(b"PK\3\4")
    (tmp_path / "x" / "open.csv").write_text('a,b\n1,"two\n' + "3,4\n" * 50)
    (tmp_path / "x" / "_SUCCESS").write_text("")
    found = survey(folder)
    assert set(found.unread) == {"report.xlsx", "open.csv", "empty.csv"}
    assert {look.guess.table for look in found.files} == {"events", "items"}


def test_what_looks_like_json_and_is_none_is_told_by_its_line(tmp_path):
    folder = write(tmp_path / "x", orders=orders("2021-{m:02d}-{d:02d}"))
    (tmp_path / "x" / "meta.json").write_text("{'sku': 'S1', 'title': \"A lamp\"}\n" * 9)
    found = with_rules(survey(folder))
    assert "meta.json" in found.unread["meta.json"]
    assert "line 1" in found.unread["meta.json"]
    assert "items: {from: events}" in mapping_text(found)


def test_prices_that_are_ranges_are_not_taken_and_told(tmp_path):
    items = "sku,name,price\n" + "".join(
        f"S{n},Thing {n},{'$1.99-$9.99' if n % 9 == 0 else '$5.00'}\n" for n in range(60)
    )
    folder = write(tmp_path / "x", orders=orders("2021-{m:02d}-{d:02d}"), items=items)
    found = with_rules(survey(folder))
    assert "12% of price are no numbers, so it is not taken" in str(found.of("items")[0].problems)
    assert "price" not in parse_mapping(mapping_text(found)).items[0].columns


def test_addresses_of_people_and_unknown_ties_are_asked_about(tmp_path):
    mails = orders("2021-{m:02d}-{d:02d}").replace("K", "k@example.org")
    ties = "follower,followee,kind\n" + "".join(f"a{n},b{n},colleague\n" for n in range(60))
    text, _ = mapping_of(write(tmp_path / "x", orders=mails, follows=ties))
    assert "# ? these look like addresses of people" in text
    assert "# ? not known: colleague: give each a kind in words" in text


def test_tables_of_the_contract_become_the_same_with_a_mapping_as_without(tmp_path):
    shop = simulate(ShopConfig(num_users=60, num_items=40, num_events=1_500, days=30))
    shop.write(str(tmp_path / "raw"))
    _, mapping = mapping_of(str(tmp_path / "raw"))
    reports = [
        ingest(str(tmp_path / "raw"), str(tmp_path / name), mapping=given)
        for name, given in (("plain", None), ("mapped", mapping))
    ]
    assert reports[0].fingerprint == reports[1].fingerprint


def test_ids_of_another_kind_are_told(tmp_path):
    items = "sku,name\n" + "".join(f"X{n},Thing {n}\n" for n in range(60))
    log = "user_id,item_id,timestamp\n" + "".join(
        f"u{n % 40},i{n % 60},{1_600_000_000 + n}\n" for n in range(300)
    )
    found = survey(write(tmp_path / "x", log=log, items=items))
    assert any("are the ids of one kind?" in problem for problem in found.problems)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="holds no table"):
        survey(write(tmp_path / "x"))
    with pytest.raises(BadInputError, match="no folder of this machine"):
        survey(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "form", ["2026-01-{:02d} 10:00:00 +0100", "2026-01-{:02d}T10:00:00Z", "{:02d}/01/2026"]
)
def test_a_bad_time_among_the_first_does_not_hide_the_others(form):
    days = [form.format(1 + at % 28) for at in range(200)]
    look = look_at("paid", pa.array([*days[:2], "not-a-date", *days[2:]], pa.string()))
    assert look.type == TIME
    assert look.formats in ((), ("%Y-%m-%d %H:%M:%S %z",), ("%d/%m/%Y",))
    mostly = [*days[:28], *(f"note {at}" for at in range(20))]
    assert look_at("paid", pa.array(mostly, pa.string())).type != TIME


def test_the_order_of_day_and_month_is_not_taken_for_a_bad_value():
    days = ["01/02/2026", "05/01/2026", "13/02/2026"] * 5
    assert look_at("paid", pa.array(days, pa.string())).formats == ("%d/%m/%Y",)
    unsure = look_at("paid", pa.array(["01/02/2026", "05/01/2026"] * 5, pa.string()))
    assert set(unsure.formats) == {"%d/%m/%Y", "%m/%d/%Y"}
