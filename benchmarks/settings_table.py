"""The social model's settings as tables: name, default, range, effect.

Names and defaults come from the config classes, ranges from the space that tuning searches. Effects
are written here, and have to be those of the fields that there are.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from coterie.errors import BadInputError
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.models.social_linear import SocialLinear
from coterie.models.space import Choice, Field, LogUniform, Space

MODEL: Final = SocialConfig()
SHARED: Final = ("linear.use_ties", "linear.dislike_weight", "linear.least_friend_history")
"""Fields of the closed form that the model sets to its own."""
PART: Final = "linear."
SPACE: Final[Space] = {
    **SocialModel.tuning.space,
    **{f"{PART}{name}": field for name, field in SocialLinear.tuning.space.items()},
}
TUNED: Final = {
    "embedding_size": "numbers of an item in all heads; long histories want more, lists are slower",
    "heads": "parts of an embedding, each with a cosine and draws of its own; more is steadier",
    "inverse_temperature": "inverse temperature of the softmax: higher is surer of few items",
    "entry_dropout": "share of a shopper's events that is hidden and has to be found again",
    "next_item_share": "share of shoppers whose newest events are hidden, not any: learns the next",
    "target_decay": "how much more a recent target counts; 0: old and new alike",
    "friends_for_cold_start_only": "friends count for shoppers without a history alone",
    "dislike_weight": "what a disliked item takes away from what is like it",
    "linear.l2": "ridge regularisation: higher trusts single events less",
    "linear.rank": "embedding size of the closed form: more keeps finer tastes, lists take longer",
    "linear.residual_weight": "how much the nearest items count beyond the rank; 0: not at all",
    "linear.friend_weight": "how much friends' events count beside one's own",
    "linear.tie_coupling": "how far an item means the same had by a friend as had by oneself",
    "linear.history_discount": "0: each event teaches alike; 1: each shopper does",
    "linear.item_power": "popular items say less about a shopper",
    "linear.popularity_discount": "popular items are scored lower; below 0: higher",
    "linear.age_decay": "how fast events lose weight with age",
}
"""Effects of what ``coterie tune`` searches."""
OTHERS: Final = {
    "use_ties": "false: the same model without friends",
    "least_friend_history": "purchases as which a friend's history counts at least",
    "use_times": "false: the age of events does not count",
    "friend_dropout": "share of shoppers whose friends are hidden in an epoch, to do without them",
    "weak_event_weight": "weight of a target only viewed, clicked or shared; 1 for what was had",
    "exposure_power": "how much less a target counts that lists showed often; 0: all count alike",
    "exposure_clip": "factor by which such a weight differs from 1 at most",
    "softmax_items": "items of the softmax, where the shop has more: all asked for, and a sample",
    "batch_size": "shoppers of a step",
    "linear_weight": "share of the closed form; none: chosen on validation",
    "popularity_weight": "how much popularity counts for newcomers; none: chosen on validation",
    "content.share": "share of neighbours in content; none: chosen on validation, 0: left out",
    "content.kinds": "words, and vectors of text, image, audio; those that items have count alike",
    "content.neighbours": "in content, of each item and kind",
    "content.new_item_bonus": "of items that nobody had, in spreads of the scores; "
    "none: chosen on validation",
    "content.row_weight": "weight of words as rows of the closed form; none: chosen on validation",
    "content.in_training": "true: a map of content is learned with the embeddings",
    "linear.neighbours": "nearest items that are kept of each, fewer where memory ends",
    "linear.friend_power": "0: friends' events add up; 1: their mean counts",
    "linear.history_power": "0: a friend with a long history counts more; 1: all count alike",
    "linear.iterations": "of the subspace iteration that finds the low rank",
    "linear.seed": "of the subspace iteration",
    "loop.max_epochs": "epochs at most; validation stops earlier",
    "loop.patience": "validations without a better score after which training stops",
    "loop.validate_every": "epochs from one validation to the next",
    "loop.lr": "learning rate of AdamW",
    "loop.weight_decay": "decay of the weights in each step",
    "loop.max_grad_norm": "longer gradients are cut to it; 0: none",
    "loop.ema_decay": "decay of the running mean of the weights, which is what is kept",
    "loop.seed": "of weights, batches and what is hidden",
}
"""Effects of what has to be set by hand."""


def write_tuned() -> str:
    """Write a row for each setting that ``coterie tune`` searches.

    Raises:
        BadInputError: An effect is missing, or its field is.
    """
    names = [name for name in SPACE if name not in SHARED]
    return _table(_matched(names, TUNED), with_range=True)


def write_others() -> str:
    """Write a row for each setting that tuning leaves alone.

    Raises:
        BadInputError: An effect is missing, or its field is.
    """
    names = [name for name in _names(MODEL) if name not in (*SPACE, *SHARED)]
    return _table(_matched(names, OTHERS), with_range=False)


def _names(config: Any, prefix: str = "") -> list[str]:
    found = []
    for field in fields(config):
        value, name = getattr(config, field.name), f"{prefix}{field.name}"
        found += _names(value, f"{name}.") if is_dataclass(value) else [name]
    return found


def _matched(names: list[str], effects: Mapping[str, str]) -> Mapping[str, str]:
    if set(names) != set(effects):
        wrong = sorted(set(names) ^ set(effects))
        raise BadInputError(
            f"settings and their effects differ in {', '.join(wrong)}: "
            "write down what each field of the config does in benchmarks/settings_table.py"
        )
    return effects


def _table(effects: Mapping[str, str], with_range: bool) -> str:
    heads = ["name", "default", *(["range"] if with_range else []), "effect"]
    rows = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name, effect in effects.items():
        cells = [f"`{name}`", _value(_default(name))]
        cells += [_range(SPACE[name])] if with_range else []
        rows.append(f"| {' | '.join([*cells, effect])} |")
    return "\n".join(rows)


def _default(name: str) -> Any:
    value: Any = MODEL
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _range(field: Field) -> str:
    if isinstance(field, Choice):
        return ", ".join(_value(value) for value in field.values)
    kind = ", log" if isinstance(field, LogUniform) else ""
    return f"{_value(field.low)} to {_value(field.high)}{kind}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else f"{value:,g}"
