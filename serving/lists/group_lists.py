"""One list for several people, by the same release, rules and catalogue as everybody's own."""

import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from coterie.data.dataset import Ints
from coterie.data.hidden import hides
from coterie.languages.texts import Texts
from coterie.recommend.batches import had_before
from coterie.recommend.recommender import Lists
from coterie.recommend.rerank import CompiledRules, Pool
from coterie.recommend.terms import Asked
from coterie.together.groups import Doubles, GroupRule, choose_together, wishes
from coterie.together.words import reason_for_group
from serving.features.recent import RecentList
from serving.lists.list_maker import ListMaker
from serving.lists.ranked import RankedList
from serving.lists.together_bodies import GroupItem, GroupList, WhyTogether
from serving.lists.wanted import Wanted

POOL: Final = 200
"""Best items of each member that a group's list is chosen from."""


def group_list(
    maker: ListMaker,
    people: Sequence[RecentList],
    k: int,
    rule: GroupRule,
    wanted: Wanted,
    texts: Texts,
) -> GroupList:
    """Make a list for a group.

    Args:
        maker: Of the release that is asked.
        people: What the members did; an empty list of who is not to be drawn on.
        k: How many items, at most.
        rule: Whose wishes count how much.
        wanted: Filter, and rules of the shop.
        texts: Of the reader's language.
    """
    recommender = maker.items.recommender
    answer = GroupList(release=maker.release.version, rule=rule, items=[])
    rules = maker.compiled.of(wanted.rules, wanted.surface, maker.catalogue)
    asked, had = _members(maker, people)
    allowed = maker.catalogue.allowed(wanted).copy()
    # What one of them had is nothing to buy together; whose it is, the list does not tell.
    allowed[had] = False
    known = ~asked.lost
    if not known.any():
        known[:1] = True  # nothing is known of anybody: what most people had
    best = recommender.recommend(asked, POOL, allowed).item_idx[known]
    pinned = np.zeros(0, np.int64) if rules is None else rules.pinned
    rows = np.union1d(best[best >= 0], pinned[allowed[pinned]])
    if not len(rows):
        return answer
    wish = wishes(recommender.score(asked, rows).score[known])
    order = rows[choose_together(wish, min(len(rows), k + POOL), rule)]
    ranked = _by_rules(maker, rules, order, k)
    place_of = {row: place for place, row in enumerate(rows.tolist())}
    usual = -np.sort(-wish, axis=1)[:, min(k, wish.shape[1]) - 1]
    shown = ranked.lists.item_idx[0].tolist()
    for row, paid in zip(shown, ranked.sponsored.tolist(), strict=True):
        kind, text = reason_for_group(wish[:, place_of[row]], usual, texts)
        # Of one member alone it would say what they like.
        why = [WhyTogether(kind=kind, text=text)] if len(wish) > 1 else []
        rank, item = len(answer.items) + 1, maker.catalogue.item(row)
        answer.items.append(GroupItem(rank=rank, item=item, sponsored=paid or None, reasons=why))
    return answer


def _members(maker: ListMaker, people: Sequence[RecentList]) -> tuple[Asked, Ints]:
    """Read what members did, each by their own history alone, and rows of what any of them had."""
    columns, again = maker.items.columns(people)
    before = [item_id for one in people for item_id in one.had_ids]
    had_ms = [ms for one in people for ms in one.had_wanted_ms]
    item = columns.item
    had = [item[hides(columns.kind, columns.wanted_ms, item, again)]]
    had.append(had_before(maker.catalogue.rows(before), had_ms, again))
    return maker.items.alone(columns), np.concatenate(had)


def _by_rules(maker: ListMaker, rules: CompiledRules | None, rows: Ints, k: int) -> RankedList:
    """Let the shop's rules move what was chosen, best first."""
    score: Doubles = 1.0 / np.log2(np.arange(len(rows)) + 2.0)
    lists = Lists(rows[None], score[None].astype(np.float32), ())
    if rules is None:
        return RankedList.plain(lists).take(np.arange(min(k, len(rows))))
    pool = Pool(rows, score, maker.items.recommender.directions(rows))
    return RankedList.by_rules(rules.rerank(pool, k, int(time.time() * 1000)), lists)
