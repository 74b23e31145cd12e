"""All that is found out of shoppers' behaviour, in one go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coterie.behaviour.demand import Demand
from coterie.behaviour.forecast import Forecast, forecast_demand
from coterie.behaviour.propensity import Foreseen, foresee, questions
from coterie.behaviour.segments import Segments, find_segments
from coterie.behaviour.settings import BehaviourSettings
from coterie.behaviour.shop_log import ShopLog


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What shoppers are like and may do, and what the shop may sell."""

    log: ShopLog
    segments: Segments
    foreseen: Mapping[str, Foreseen | str]
    """By column; why not, where a question could not be answered."""
    forecast: Forecast | str


def study_behaviour(
    log: ShopLog, settings: BehaviourSettings, told: Callable[[str], None] = lambda _: None
) -> Behaviour:
    """Find segments, foresee what shoppers do, forecast demand; ``told`` hears what is next."""
    told("segments")
    segments = find_segments(log, settings)
    foreseen = {}
    for question in questions():
        told(f"who {question.about}")
        foreseen[question.name] = foresee(log, question, settings)
    told("forecasts")
    forecast = forecast_demand(Demand.of(log, settings.items), settings)
    return Behaviour(log, segments, foreseen, forecast)
