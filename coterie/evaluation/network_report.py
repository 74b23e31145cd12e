"""The page of a network: figures, plots and a picture of who knows whom; it names nobody."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from coterie.evaluation import blocks, network_plots, plots
from coterie.evaluation.blocks import Cell, Plots
from coterie.evaluation.phrases import write_number
from coterie.files import write_atomically
from coterie.network.diffusion import Diffused
from coterie.network.invitations import LEAST_PEOPLE, OTHER
from coterie.network.layout import Picture
from coterie.network.study import NetworkStructure

_SCRIPTS: Final = (
    "vendor/graphology-0.26.0.min.js",
    "vendor/sigma-3.0.2.min.js",
    "network.js",
)
"""Whoever draws the picture, by WebGL."""
_WAYS: Final = {
    "imm": "chosen for spread (IMM)",
    "influence": "most influence given",
    "followers": "most followers",
    "pagerank": "highest PageRank",
    "random": "at random",
}


def write_network_report(
    figures: Mapping[str, Any],
    picture: Picture,
    built: NetworkStructure,
    found: Diffused | None,
    path: str | Path,
) -> None:
    """Write a self-contained page of a network; it is drawn by the reader's browser, offline.

    Args:
        figures: As ``figures.network_figures`` gives them.
        picture: Who is drawn where.
        built: Communities colour the picture.
        found: Influence sizes it; None: the numbers of acquaintances do.
        path: Of the HTML file; replaced when it is whole.
    """
    drawn = Plots()
    size = figures["size"]
    data = network_plots.picture_data(picture, built, found)
    parts = [
        _picture(data),
        _communities(figures, drawn),
        _structure(figures, drawn),
        _influence(figures, drawn),
        _invitations(figures),
        _growth(figures, drawn),
    ]
    shown = [part for part in parts if part[1]]
    links = "".join(f'<a href="#{key}">{name}</a>' for (key, name), _ in shown)
    lead = (
        f"{size['people']:,} people, {size['ties']:,} ties between {size['pairs']:,} pairs. "
        "The page names nobody."
    )
    body = (
        '<header><p class="eyebrow">Coterie</p><h1>The network</h1>'
        f'<p class="lead">{lead}</p>{_cards(figures)}<nav aria-label="Contents">{links}</nav>'
        "</header>\n<main><noscript><p>Plots need JavaScript; the figures also stand in "
        f"network.json.</p></noscript>{''.join(text for _, text in shown)}</main>\n"
        "<footer>Made by Coterie. This file loads nothing from anywhere.</footer>"
    )
    write_atomically(
        path, blocks.page("The network", body, drawn, _SCRIPTS, {"network-data": data})
    )


def _cards(figures: Mapping[str, Any]) -> str:
    size, influence = figures["size"], figures.get("influence", {})
    chosen = _chosen(figures)
    cards = [
        blocks.card("communities", f"{chosen['number']:,}", f"resolution {chosen['resolution']:g}"),
        blocks.card("follow back", _percent(size["reciprocity"]), "of all ties"),
        blocks.card(
            "largest part", _percent(size["largest_part"]), "of people hang together by ties"
        ),
    ]
    if "share_caused" in influence:
        cards.append(
            blocks.card(
                "taken because of a friend",
                _percent(influence["share_caused"]),
                f"of first purchases; a naive count says {_percent(influence['share_naive'])}",
            )
        )
    return f'<div class="cards">{"".join(cards)}</div>'


def _chosen(figures: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = min(
        figures["communities"], key=lambda one: abs(one["resolution"] - 1.0)
    )
    return found


def _picture(data: Mapping[str, Any]) -> tuple[tuple[str, str], str]:
    named = ("picture", "Who knows whom")
    if not data["x"]:
        return named, ""
    note = (
        "A dot is a person, coloured by community; the larger, the more others took because of "
        "them. Drag to move, scroll to zoom, point at somebody to see whom they know."
    )
    play = ""
    if data["waves"]:
        note += (
            " The slider gives something to the people chosen for it, and lets it spread, a wave "
            "at a time, as one run of the simulation went."
        )
        play = (
            '<div class="network-play"><button type="button" id="network-play">Play</button>'
            '<label for="network-wave">Waves</label><input type="range" id="network-wave" min="0" '
            f'max="{len(data["waves"])}" value="0" step="1"></div>'
        )
    about = f"{len(data['x']):,} people, {len(data['pairs']):,} of their ties"
    figure = (
        f"<figure><figcaption><h3>The network</h3><span>{about}</span></figcaption>"
        f'<div class="network" id="network-canvas" role="img" aria-label="The network: {about}">'
        f'</div>{play}<p id="network-about" aria-live="polite"></p></figure>'
    )
    return named, blocks.section(*named, note, figure)


def _communities(figures: Mapping[str, Any], drawn: Plots) -> tuple[tuple[str, str], str]:
    named = ("communities", "Communities")
    rows = [
        (
            "",
            f"{one['resolution']:g}",
            [
                Cell(f"{one['number']:,}"),
                Cell(f"{one['largest']:,}"),
                Cell(_number(one["median_size"])),
                Cell(_number(one["modularity"])),
                Cell(_percent(one["ties_within"])),
                Cell(_number(one["stability"])),
            ],
        )
        for one in figures["communities"]
    ]
    head = ("resolution", "number", "largest", "median", "modularity", "ties within", "stability")
    method = figures["communities"][0]["method"].capitalize()
    note = (
        f"Groups with more ties within than chance would give, by the {method} method. A higher "
        "resolution finds smaller ones. Stability is how far runs from different seeds agree: 1, "
        "fully; 0, as chance does. Groups of one are not counted."
    )
    sizes = plots.bars(
        {f"no. {rank}": size for rank, size in enumerate(_chosen(figures)["sizes"][:12], 1)},
        "people",
    )
    table = blocks.table(head, rows, "communities by resolution")
    return named, blocks.section(*named, note, table, drawn.add(sizes, "The largest communities"))


def _structure(figures: Mapping[str, Any], drawn: Plots) -> tuple[tuple[str, str], str]:
    named = ("structure", "Structure")
    size, cores = figures["size"], figures["cores"]
    facts = {
        "people with ties": f"{size['people_with_ties']:,}",
        "acquaintances a person": write_number(size["mean_degree"]),
        "parts that hang together": f"{size['parts']:,}",
        "bridges (their end would cut a part in two)": f"{figures['bridges']:,}",
        "highest core": f"{cores['highest']:,} ({cores['people_in_highest']:,} people)",
    }
    alike = {
        name.replace("_", " "): value
        for name, value in figures["assortativity"].items()
        if value is not None
    }
    note = (
        "A core of k is what is left when everybody who knows fewer than k is taken out, over and "
        "over. Tied people are alike in a quality where its bar is over 0; 0 is what chance gives."
    )
    shown = [
        drawn.add(
            plots.degrees(figures["degrees"], "acquaintances"), "Acquaintances", "both logarithmic"
        ),
        drawn.add(
            network_plots.columns(cores["people_by_core"], "core", "people"), "People by core"
        ),
        drawn.add(network_plots.signed(alike), "Are tied people alike?", "assortativity, -1 to 1"),
    ]
    return named, blocks.section(*named, note, blocks.beside(blocks.facts(facts), *shown))


def _influence(figures: Mapping[str, Any], drawn: Plots) -> tuple[tuple[str, str], str]:
    named, told = ("influence", "Influence"), figures.get("influence", {})
    if not told:
        return named, ""
    if "left_out" in told:
        return named, blocks.section(*named, f"Not estimated: {told['left_out']}.")
    shares = {
        "naive count": told["share_naive"],
        "shuffled times": told["share_by_shuffling"],
        "matched pairs": told["share_by_matching"],
        "threshold with background": told["share_by_threshold"],
        "cascade with background": told["share_caused"],
    }
    shuffled = told["shuffled"]
    note = (
        "How much of what people take they take because somebody they follow took it before. The "
        "naive count takes every coincidence for influence; the others leave out what taste "
        "and trends would have brought anyway, each in a way of its own. With times shuffled among "
        f"an item's buyers {shuffled['expected']:,.0f} pairs would be expected, "
        f"{shuffled['observed']:,} were seen (p = {shuffled['p_value']:.3g})."
    )
    if told["alike"] is None:
        note += (
            " The log is too short to tell how alike friends are by themselves, so the cascade may "
            "hold likeness for influence: trust the shuffled times."
        )
    shown = [
        drawn.add(
            network_plots.shares(shares), "Taken because of a friend", "share of first purchases"
        ),
        drawn.add(
            network_plots.columns([100 * d for d in told["days"]], "days after", "per cent"),
            "How long it takes",
            "of what is held to be caused",
        ),
    ]
    seeds = told.get("seeds")
    extra = ""
    if seeds:
        rows = [
            (
                "ours" if way == "imm" else "",
                _WAYS[way],
                [Cell(f"{one['people']:,.1f}", f"± {1.96 * one['standard_error']:,.1f}")],
            )
            for way, one in seeds["simulated"].items()
        ]
        extra = blocks.table(
            (f"{seeds['people']} people", "reached"), rows, "people reached by way of choosing"
        )
    return named, blocks.section(*named, note, blocks.beside(*shown), extra)


def _invitations(figures: Mapping[str, Any]) -> tuple[tuple[str, str], str]:
    named, told = ("invitations", "Invitations"), figures.get("invitations")
    if not told:
        return named, ""
    rows = [
        (
            "ours" if one is told["whole"] else "",
            escape(one["category"]) or "all",
            [
                Cell(f"{one['people']:,}"),
                Cell(f"{one['invited']:,}"),
                *(
                    Cell(_percent(one[step] / one["invited"]), f"{one[step]:,}")
                    for step in ("opened", "through", "taken")
                ),
            ],
        )
        for one in (told["whole"], *told["categories"])
    ]
    head = ("category", "people", "invitations", "opened", "by the link", "taken")
    note = (
        f"What people did within {told['days']:g} days with an item that somebody shared with "
        "them; each person and item counts once, however often asked. Taken is bought, rated, "
        "reviewed or put in the cart; who is invited might have taken it anyway. "
        f"{told['waiting']:,} are too new to tell, and {told['had_it']:,} were to people who had "
        f"the item. Categories of fewer than {LEAST_PEOPLE} people stand together as {OTHER}."
    )
    return named, blocks.section(*named, note, blocks.table(head, rows, "what became of them"))


def _growth(figures: Mapping[str, Any], drawn: Plots) -> tuple[tuple[str, str], str]:
    named = ("growth", "Growth")
    if not figures["growth"]:
        return named, ""
    note = "As far as ties say since when they are; ties that do not count from the beginning."
    shown = [
        drawn.add(network_plots.growth(figures["growth"], name), title)
        for name, title in (("ties", "Ties"), ("mean_degree", "Acquaintances a person with any"))
    ]
    return named, blocks.section(*named, note, blocks.beside(*shown))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
