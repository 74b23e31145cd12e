"""The search benchmark: queries are made alike each time, and ranks are what they are called."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import search, search_found, search_table
from benchmarks.search_queries import Shelf, known_items

RESULTS = json.loads(Path(search.RESULTS).read_text())


def encode(texts):
    return np.random.default_rng(0).normal(size=(len(texts), 8)).astype(np.float32)


def made(half):
    titles = [f"brand{n} fine lamp model {n} of steel and glass" for n in range(40)]
    shelf = Shelf("tools", pa.table({"title": titles}), encode(titles), titles)
    return shelf, known_items(shelf, encode, seed=0, half=half)


def test_queries_are_of_one_half_of_the_items_and_the_same_each_time():
    _, first = made(0)
    assert [one.texts for one in first] == [one.texts for one in made(0)[1]]
    for half, asked in ((0, first), (1, made(1)[1])):
        assert {int(row) % 2 for one in asked for rows in one.right for row in rows} == {half}
    words = {one.sort: one.texts for one in first}
    assert words["typos"] != words["other order"]


def test_words_are_chosen_over_vectors_that_say_nothing():
    shelf, asked = made(0)
    scorer = search_found.Scorer(shelf)
    weights, _ = search_found.choose([scorer.scored(one) for one in asked])
    assert weights.meaning == min(search_found.MEANING)


def test_a_rank_counts_to_the_tenth_and_half_of_what_is_equal_stands_before_it():
    score = np.zeros((4, 30), np.float32)
    score[0, 3] = 1.0
    score[1, :5] = 1.0
    score[2, :20] = np.arange(20, 0, -1)
    score[3] = -np.inf
    found = search_found.reciprocal_ranks(score, [np.array([row]) for row in (3, 0, 12, 0)])
    assert found.tolist() == pytest.approx([1.0, 1 / 3, 0.0, 0.0])


def test_tables_hold_every_sort_of_query():
    table = search_table.write_found(RESULTS)
    assert table.count("\n| tools") == 4
    assert table.count("in Chinese") == 1
    assert "4,533 shoppers" in search_table.write_taste(RESULTS)
    assert "100,000 items" in search_table.write_speed(RESULTS)
