"""Content: what people had together and what the shop says of items, parts of one weighted sum.

Each part is a plain sum over a shopper's entries (and friends'), so that an item that nobody had
yet is reached through its words and pictures. Parts are brought to one spread; what each counts is
found on validation, one part after the other, by the same few steps for every shop::

    ease       what best rebuilds each row (models.ease)
    walk       two steps of a random walk, item to shopper to item (Cooper et al., 2014), with the
               next step weighed by a shopper's history to the power of -1, an item's of -.3
    next       which item followed which, near ones counting more
    words, text, image, audio      neighbours in content (models.content_graph)
    brand      of the brands that one had, each brand's say shared by its items
    smoothed   walk, from the neighbours in content of what was had
    friends, friends_content       what friends had, and its neighbours in content
    popular    how many had it;    again: what one had oneself
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch

from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.models.base import Scores
from coterie.models.content_graph import COLUMNS, KINDS, content_graphs
from coterie.models.content_inputs import (
    ContentInputs,
    brands,
    read_inputs,
    transitions,
    what_was_turned_down,
)
from coterie.models.content_map import ContentMap
from coterie.models.ease import EASE, EASEConfig
from coterie.models.engagement import check_users, engagement
from coterie.models.new_items import drawn_as_new, find_bonus
from coterie.models.space import Choice, LogUniform, Tuning
from coterie.progress import Progress, silent
from coterie.training.validation import Validation

TASTE: Final = ("ease", "walk", "next")
LEARNED: Final = (*TASTE, "popular", "smoothed", "friends")
"""Parts that say nothing of an item that nobody had: content maps to them."""
PARTS: Final = (
    *TASTE,
    "popular",
    "again",
    *KINDS,
    "brand",
    "smoothed",
    "friends",
    "friends_content",
)
"""In the order in which validation looks at them."""
STEPS: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""What a part may count, in units of its spread."""
PASSES: Final = 2
_STANDS_OUT: Final = 1e-5
"""A gain that is worth a change."""
_WALK_ITEM_POWER: Final = 0.3


@dataclass(frozen=True, slots=True)
class ContentConfig:
    """Which parts there are, and what each counts."""

    parts: tuple[str, ...] = ("ease", "popular", *KINDS)
    """Of ``PARTS``; those that the items or the events say nothing for are left out."""
    weights: tuple[float, ...] | None = None
    """What each of ``parts`` counts; None: validation finds it, 1 each where there is none."""
    l2: float = 200.0
    """Regularisation of EASE."""
    neighbours: int = 20
    """In content, of each item."""
    position_decay: float = 0.0
    """Power by which an entry loses weight with its place from the newest, which is 1."""
    count_turned_down: float = 0.0
    """What an item that was turned down says for others, 1: as much as one that was liked. Who went
    to a restaurant and did not like it still was in that town."""
    map_new: bool = False
    """Whether items that nobody had get, of the parts that were learned, what content maps to."""
    new_item_bonus: float | None = None
    """What these get beside it, in units of the scores' spread; None: validation finds it."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown or not self.parts:
            raise BadInputError(f"parts are some of {', '.join(PARTS)}, found {self.parts}")
        if self.weights is not None and len(self.weights) != len(self.parts):
            raise BadInputError(f"{len(self.parts)} parts have {len(self.weights)} weights")
        if not self.l2 > 0 or self.neighbours < 1 or self.position_decay < 0:
            raise BadInputError(f"l2 and neighbours must be over 0, the decay not below: {self}")


Part = Callable[[ContentInputs], Any]
Made = Callable[[str, torch.Tensor], torch.Tensor]
"""Name of a part and user rows, (b,), to its scores of all items, (b, items)."""


class ContentModel:
    """A weighted sum of parts; see the module."""

    name: ClassVar[str] = "content"
    label: ClassVar[str] = "Content"
    config_class: ClassVar[type[ContentConfig]] = ContentConfig
    tuning: ClassVar[Tuning] = Tuning(
        {"l2": LogUniform(10.0, 3000.0), "neighbours": Choice((10, 20, 50))}
    )
    item_columns: ClassVar[tuple[str, ...]] = COLUMNS

    def __init__(self, config: ContentConfig = ContentConfig()):
        self.config = config
        self.weights: dict[str, float] = {}
        """What each part counts, of those that there are."""
        self._parts: dict[str, Part] = {}
        self._factors: dict[str, float] = {}
        self._read: ContentInputs | None = None
        self.maps_new = self.config.map_new
        """Whether items that nobody had get what content maps to; may be changed, to compare."""
        self._map: ContentMap | None = None
        self._bonus = self.config.new_item_bonus or 0.0
        self._weighed: _Weighed | None = None

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:
        """See ``base.Model``."""
        had = self._answers(data)
        self._parts = {n: p for n, p in self._make(data, had).items() if n in self.config.parts}
        self._read = self._inputs(data)
        self._map = ContentMap.of(data, KINDS) if self.config.map_new else None
        some = np.flatnonzero(np.diff(had.indptr) > 0)
        some = some[:: max(1, len(some) // 1000)]
        spread = {n: _spread(p(self._read.take(some))) for n, p in self._parts.items()}
        self._parts = {n: p for n, p in self._parts.items() if spread[n] > 0}
        self._factors = {n: 1.0 / spread[n] for n in self._parts}
        given = dict(zip(self.config.parts, self.config.weights or (), strict=False))
        self.weights = {n: given.get(n, 1.0) for n in self._parts}
        if self.config.weights is None and data.validation is not None:
            self.weights, _ = self._found(_Weighed(data), tuple(self._parts), progress)
        if data.validation is not None:
            self.place_new(data)

    def weigh(
        self,
        data: TrainingSet,
        parts: tuple[str, ...] | None = None,
        progress: Progress = silent,
    ) -> float:
        """Serve ``data``, and find what parts count by its validation targets.

        For shops whose validation asks of other shoppers than those that were learned from, and to
        compare parts without fitting them again.

        Args:
            data: With validation targets.
            parts: Those that may count; None: all that were fitted.
            progress: Called after each part.

        Returns:
            NDCG@20 reached on validation.

        Raises:
            BadInputError: Not fitted yet.
        """
        self.serve(data)
        if self._weighed is None or self._weighed.data is not data:
            self._weighed = _Weighed(data)
        named = tuple(n for n in self._parts if parts is None or n in parts)
        self.weights, reached = self._found(self._weighed, named, progress)
        self.place_new(data)
        return reached

    def serve(self, data: TrainingSet) -> None:
        """See ``base.Inductive``."""
        check_users(np.zeros(0, np.int64), self._num_users)
        self._read = self._inputs(data)

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model``."""
        check_users(user_idx, self._num_users)
        assert self._read is not None
        learned, rest = self._sums(self._read.take(user_idx))
        if self.maps_new and self._map is not None and len(new := self._map.new):
            learned[:, new] = self._map.of_new(learned.T).T + self._bonus * self._unit
        return learned + rest

    def _sums(self, told: ContentInputs) -> tuple[Scores, Scores]:
        """Add up the parts that were learned, and the others."""
        sums = np.zeros((2, *told.had.shape), np.float32)
        for name, weight in self.weights.items():
            if weight:
                sums[int(name not in LEARNED)] += (
                    weight * self._factors[name] * _dense(self._parts[name](told))
                )
        return sums[0], sums[1]

    @property
    def _unit(self) -> float:
        """How far scores are apart: parts have a spread of 1 each."""
        return float(np.linalg.norm([*self.weights.values()]))

    def place_new(self, data: TrainingSet) -> None:
        """Serve ``data``, and find by its validation targets what new items get, if asked to."""
        self.serve(data)
        if self._map is None or self.config.new_item_bonus is not None:
            return
        content, items = self._map, drawn_as_new(self._map)

        def scored(users: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            assert self._read is not None
            learned, rest = self._sums(self._read.take(users.numpy()))
            as_new = content.as_if_new(learned.T, items).T + rest[:, items]
            return torch.from_numpy(learned + rest), torch.from_numpy(as_new)

        self._bonus = find_bonus(data, items, scored, self._unit)

    def chosen_config(self) -> ContentConfig:
        """Give the config with the weights that validation found."""
        weights = tuple(self.weights.get(name, 0.0) for name in self.config.parts)
        return ContentConfig(
            self.config.parts,
            weights,
            self.config.l2,
            self.config.neighbours,
            self.config.position_decay,
            self.config.count_turned_down,
            self.config.map_new,
            self._bonus if self.config.map_new else None,
        )

    def _inputs(self, data: TrainingSet) -> ContentInputs:
        return read_inputs(data, self.config.position_decay, self.config.count_turned_down)

    @property
    def _num_users(self) -> int:
        return 0 if self._read is None else int(self._read.had.shape[0])

    def _answers(self, data: TrainingSet) -> Any:
        had = engagement(data)
        return had.maximum(what_was_turned_down(data)) if self.config.count_turned_down else had

    def _make(self, data: TrainingSet, had: Any) -> dict[str, Part]:
        wanted = self.config.parts
        popularity = np.asarray(had.sum(axis=0), np.float32).ravel()
        lengths = np.maximum(np.diff(had.indptr), 1).astype(np.float32)
        n = data.num_items
        to_users = sp.diags_array(np.maximum(popularity, 1) ** -_WALK_ITEM_POWER) @ had.T
        to_users = (to_users @ sp.diags_array(1.0 / lengths)).tocsr().astype(np.float32)
        parts: dict[str, Part] = {
            "walk": lambda told: (told.entries @ to_users) @ had,
            "popular": lambda told: np.tile(popularity, (told.had.shape[0], 1)),
            "again": lambda told: told.entries,
            "friends": lambda told: told.friends,
        }
        if "ease" in wanted:
            ease = EASE(EASEConfig(self.config.l2))
            ease.fit_rows(had)
            parts["ease"] = lambda told: ease.scores_of(told.entries)
        if "next" in wanted:
            follows = transitions(data)
            if follows.nnz:
                parts["next"] = lambda told: told.entries @ follows
        kinds = tuple(k for k in KINDS if k in wanted)
        graphs = content_graphs(data, kinds, self.config.neighbours)
        for kind, graph in graphs.items():
            parts[kind] = _through(graph)
        if "brand" in wanted and (of_brand := brands(data)).nnz:
            parts["brand"] = lambda told: (told.entries @ of_brand) @ of_brand.T
        if graphs:
            whole = sp.csr_matrix(sum(graphs.values(), sp.csr_array((n, n))) / len(graphs))
            parts["smoothed"] = lambda told: ((told.entries @ whole) @ to_users) @ had
            parts["friends_content"] = lambda told: told.friends @ whole
        return {name: parts[name] for name in PARTS if name in parts}

    def _found(
        self, weighed: "_Weighed", names: tuple[str, ...], progress: Progress
    ) -> tuple[dict[str, float], float]:
        """Find weights on validation: from the best part alone, one part after the other."""
        assert self._read is not None
        whole = self._read

        def made(name: str, users: torch.Tensor) -> torch.Tensor:
            scores = _dense(self._parts[name](whole.take(users.numpy())))
            return torch.from_numpy(scores * np.float32(self._factors[name])).half()

        first = weighed.reached_alone(names, made)
        if not first:
            return dict.fromkeys(names, 1.0), 0.0
        leader, best = names[int(np.argmax(first))], max(first)
        weights = {**dict.fromkeys(names, 0.0), leader: 1.0}
        for done in range(PASSES):
            for place, name in enumerate(n for n in names if n != leader):
                progress("weighing parts", done * len(names) + place, PASSES * len(names))
                tried = weighed.reached_along(weights, name, made)
                if max(tried) > best + _STANDS_OUT:
                    best = max(tried)
                    weights[name] = STEPS[int(np.argmax(tried))]
        return weights, best


class _Weighed:
    """Validation targets of a training set, and what each part says of their shoppers."""

    def __init__(self, data: TrainingSet):
        self.data = data
        self._validation = Validation(data, torch.device("cpu"))
        self._known: dict[tuple[str, int], torch.Tensor] = {}

    def reached_alone(self, names: tuple[str, ...], made: Made) -> list[float]:
        """Measure NDCG@20 of each part; empty where nobody has a target."""
        return self._validation.ndcg_of_each(
            lambda users: torch.stack([self._part(name, users, made) for name in names]),
            len(names),
        )

    def reached_along(self, weights: Mapping[str, float], name: str, made: Made) -> list[float]:
        """Measure NDCG@20 with each of ``STEPS`` as one part's weight, the others' as they are."""
        others = {n: w for n, w in weights.items() if w and n != name}

        def each(users: torch.Tensor) -> torch.Tensor:
            part = self._part(name, users, made)
            scores = torch.zeros_like(part)
            for other, weight in others.items():
                scores.add_(self._part(other, users, made), alpha=weight)
            return torch.stack([scores.add(part, alpha=step) for step in STEPS])

        return self._validation.ndcg_of_each(each, len(STEPS))

    def _part(self, name: str, users: torch.Tensor, made: Made) -> torch.Tensor:
        key = name, int(users[0])
        if key not in self._known:
            self._known[key] = made(name, users)
        return self._known[key].float()


def _through(graph: Any) -> Part:
    return lambda told: told.entries @ graph


def _spread(scores: Any) -> float:
    return float(_dense(scores).std())


def _dense(scores: Any) -> npt.NDArray[np.float32]:
    dense: Any = scores.toarray() if hasattr(scores, "toarray") else scores
    return np.asarray(dense, np.float32)
