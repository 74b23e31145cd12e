"""The recipe "A model" of CONTRIBUTING, followed for a toy that can be released: the directions in
which shoppers differ most."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from conformance import CHECKS, Case

from coterie.cli import parser
from coterie.errors import BadInputError
from coterie.evaluation.phrases import name_model
from coterie.models import MODELS, Inductive, Releasable
from coterie.models.blending import popularity
from coterie.models.engagement import check_users, engagement
from coterie.models.space import Choice, Tuning
from coterie.progress import silent
from coterie.recommend.batches import Community
from coterie.recommend.encoder import Encoder, unit
from coterie.recommend.recommender import Recommender
from coterie.release.gate import Limits
from coterie.release.offline import OfflineLists
from coterie.tuning.trials import Bounds
from coterie.workflow import FitSettings, TuneSettings, evaluate_all, fit_challenger, make_release
from coterie.workflow.challenger import load_parameters
from coterie.workflow.shop import CleanShop
from tests.tiny_shop import write_clean


# Step 1, coterie/models/<model>.py: its config and its class.
@dataclass(frozen=True, slots=True)
class DirectionsConfig:
    rank: int = 8

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise BadInputError(f"rank must be over 0, found {self.rank}")


class Directions:
    name: ClassVar[str] = "directions"
    label: ClassVar[str] = "Directions of taste"
    config_class: ClassVar[type[DirectionsConfig]] = DirectionsConfig
    tuning: ClassVar[Tuning] = Tuning({"rank": Choice((4, 8, 16))}, starts=({"rank": 16},))
    item_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config=DirectionsConfig()):
        self.config = config
        self.parameters: dict[str, torch.Tensor] = {}

    def fit(self, data, progress=silent):
        _, size, directions = np.linalg.svd(engagement(data).toarray(), full_matrices=False)
        rank = min(self.config.rank, len(size))
        vectors = torch.from_numpy(directions[:rank].T.copy()).float()
        self.use(
            {
                "item_in": vectors,
                "item_out": unit(vectors),
                "item_bias": torch.zeros(data.num_items),
                "inverse_temperature": torch.tensor(5.0),
                "popularity_weight": torch.tensor(0.0),
                **{f"encoder.{n}": p.detach() for n, p in Encoder().named_parameters()},
            },
            data,
        )

    def use(self, parameters, data):
        self.parameters = parameters
        self.recommender = Recommender(parameters, popularity(data))
        self._community = Community.of(data)

    def serve(self, data):
        self._community = Community.of(data)

    def shoppers(self, user_idx):
        fitted = bool(self.parameters)
        check_users(user_idx, self._community.histories.num_people if fitted else 0)
        return self._community.shoppers(user_idx)

    def scores(self, user_idx):
        shoppers = self.shoppers(user_idx)
        return self.recommender.scores(shoppers).numpy()


@pytest.fixture(autouse=True)
def followed(monkeypatch):
    """Step 2, its entry in ``coterie.models.MODELS``; step 3, its name in ``cli.parser.MODELS``."""
    monkeypatch.setitem(MODELS, "directions", Directions)
    monkeypatch.setattr(parser, "MODELS", (*parser.MODELS, "directions"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return str(write_clean(tmp_path_factory.mktemp("shop")))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_passes_the_conformance_suite(check):
    check(Case("directions", "directions", (("rank", 6),), social=True))


def test_it_is_what_its_parts_promise():
    assert isinstance(Directions(), Releasable)
    assert isinstance(Directions(), Inductive)
    assert not isinstance(MODELS["ease"](), Releasable)
    assert name_model("directions") == "Directions of taste"


def test_it_is_trained_compared_released_and_listed(clean, tmp_path):
    challenger = str(tmp_path / "challenger")
    chosen = parser.make_parser().parse_args(
        ["train", clean, "--out", challenger, "--model", "directions"]
    )
    known = fit_challenger(clean, challenger, FitSettings(chosen.model, {"rank": 4}))
    assert (known.model, known.chosen) == ("directions", {"rank": 4})
    assert load_parameters(challenger)["item_in"].shape[1] == 4

    def never(*_: Any) -> None:
        raise AssertionError("fitted again, though it was kept")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coterie.workflow.comparison.fit_twice", never)
        patch.setattr("coterie.workflow.comparison._meet_newcomers", lambda found, *_: found)
        found = evaluate_all(clean, str(tmp_path / "figures"), ["directions"], challenger)
    assert found.models["directions"]["ndcg@20"].mean > 0
    out, anything = str(tmp_path / "release"), Limits(min_gain_over_popularity=-1.0)
    release = make_release(clean, challenger, out, limits=anything)
    dataset = CleanShop.open(clean).dataset
    shown = OfflineLists(release, dataset).recommend(dataset.users.ids[0].as_py(), 5)
    for item in shown.items:
        assert sum(r.contribution for r in item.reasons) == pytest.approx(item.score, abs=1e-4)


def test_its_space_is_searched_from_its_starts():
    settings = TuneSettings("directions", trials=2)
    search = settings.search()
    assert (search.defaults, search.starts) == ({"rank": 8}, ({"rank": 16},))
    assert search.configure({"rank": 4}) == DirectionsConfig(4)
    assert settings.bounds == Bounds(2)
