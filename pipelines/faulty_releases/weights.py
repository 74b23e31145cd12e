"""Faults of what weighs a shopper's own events, friends' and popularity."""

from collections import Counter
from typing import Final

import torch

from coterie.recommend import linear
from coterie.release.bundle import Release
from pipelines.faulty_releases.fault import Changes, Fault, column, with_parameters

FAMILY: Final = "weights"
FAVOURITES: Final = 40
"""Items towards which all lists lean."""


def _same(release: Release) -> Changes:
    """Let popularity outweigh all that is known of a shopper."""
    popularity = torch.from_numpy(release.popularity)
    return with_parameters(release, item_bias=release.parameters["item_bias"] + 100.0 * popularity)


def _favourites(release: Release) -> Changes:
    """Lean towards some items, by about as much as good ones differ."""
    bias = release.parameters["item_bias"].clone()
    order = torch.randperm(len(bias), generator=torch.Generator().manual_seed(0))
    bias[order[:FAVOURITES]] += 2.0
    return with_parameters(release, item_bias=bias)


def _no_friends(release: Release) -> Changes:
    """Let friends count for nobody: their vectors are 0, and no shopper draws on them."""
    parameters = dict(release.parameters)
    parameters["friends_for"] = torch.tensor(0)
    name = f"{linear.PREFIX}friend"
    if name in parameters:
        parameters[name] = torch.zeros_like(parameters[name])
    return {"parameters": parameters}


def _old_first(release: Release) -> Changes:
    """Let what is long ago count more than what is new."""
    return with_parameters(
        release,
        linear__rate=torch.tensor(-1.0, dtype=torch.float64),
        encoder__rate=torch.full_like(release.parameters["encoder.rate"], -30.0),
    )


def _silent_half(release: Release) -> Changes:
    """Let the learned half say nothing."""
    temperature = release.parameters["inverse_temperature"]
    return with_parameters(release, inverse_temperature=torch.zeros_like(temperature))


def learned_half(release: Release) -> Changes:
    """Let the closed-form half say nothing.

    Its weights are 0, not missing: the copy is as quick as the whole release.
    """
    parameters = dict(release.parameters)
    weights = {f"{linear.PREFIX}{name}" for name in (*linear.VECTORS, "near")}
    for name in weights & parameters.keys():
        parameters[name] = torch.zeros_like(parameters[name])
    # Its scores are others: what is known of the whole model's does not hold for them.
    known = {name: value for name, value in release.manifest.metrics.items() if name != "lists"}
    return {"parameters": parameters, "metrics": known}


def _again_at_once(release: Release) -> Changes:
    """List again at once what was just bought, whatever it is."""
    categories = {str(one) for one in column(release, "category") if one}
    return {"repurchase": dict.fromkeys(sorted(categories), 0.0)}


def _unlisted(release: Release) -> Changes:
    """Keep one category out of all lists."""
    return _leaning(release, "category", -100.0)


def _one_brand(release: Release) -> Changes:
    """Fill lists with one brand."""
    return _leaning(release, "brand", 2.0)


def _leaning(release: Release, name: str, by: float) -> Changes:
    """Lean towards the items of what most people had of a column's values, or away from them."""
    values = column(release, name)
    had = Counter[str]()
    for one, times in zip(values, release.popularity.tolist(), strict=True):
        if one:
            had[one] += times
    [(most, _)] = had.most_common(1)
    rows = torch.tensor([one == most for one in values])
    return with_parameters(release, item_bias=release.parameters["item_bias"] + by * rows)


def _ageless(release: Release) -> Changes:
    """Let all events count as new, as where their times are in the future."""
    return with_parameters(
        release,
        linear__rate=torch.zeros((), dtype=torch.float64),
        encoder__rate=torch.zeros_like(release.parameters["encoder.rate"]),
    )


def _kinds_reversed(release: Release) -> Changes:
    """Let what is looked at count as what is bought, and the other way round."""
    kinds = release.parameters["linear.kind"]
    return with_parameters(release, linear__kind=kinds.flip(0))


def _crowds_first(release: Release) -> Changes:
    """Let each friend count the more, the more friends there are: few are outshouted by many."""
    power = release.parameters["linear.friend_power"]
    return with_parameters(release, linear__friend_power=-torch.ones_like(power))


FAULTS: Final = (
    Fault("same-list", FAMILY, "one list for everybody", ("preflight", "duplicate_lists"), _same),
    Fault(
        "favourites",
        FAMILY,
        f"lists lean towards {FAVOURITES} items",
        ("score_out_of_range", "duplicate_lists"),
        _favourites,
    ),
    Fault("no-friends", FAMILY, "friends count for nobody", ("preflight",), _no_friends),
    Fault(
        "old-first",
        FAMILY,
        "what is long ago counts more than what is new",
        ("score_out_of_range",),
        _old_first,
    ),
    Fault(
        "closed-form-alone",
        FAMILY,
        "the learned half of the score is silent",
        ("preflight", "score_out_of_range"),
        _silent_half,
    ),
    Fault(
        "learned-half-alone",
        FAMILY,
        "the closed-form half of the score is silent, and what it reached offline is not known",
        ("preflight",),
        learned_half,
    ),
    Fault(
        "unlisted-category",
        FAMILY,
        "one category is in no list",
        ("preflight", "score_out_of_range"),
        _unlisted,
    ),
    Fault(
        "one-brand",
        FAMILY,
        "lists are of one brand",
        ("preflight", "score_out_of_range", "duplicate_lists"),
        _one_brand,
    ),
    Fault(
        "ageless",
        FAMILY,
        "all that was done counts as if it were new",
        ("score_out_of_range", "missed_purchases"),
        _ageless,
    ),
    Fault(
        "again-at-once",
        FAMILY,
        "lists name again at once what was just bought",
        ("preflight",),
        _again_at_once,
    ),
    Fault(
        "kinds-reversed",
        FAMILY,
        "what is looked at counts as what is bought, and the other way round",
        ("preflight",),
        _kinds_reversed,
    ),
    Fault(
        "crowds-first",
        FAMILY,
        "each friend counts the more, the more friends there are",
        ("preflight", "score_out_of_range"),
        _crowds_first,
    ),
)
