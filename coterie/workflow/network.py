"""The network step: from clean tables to columns of people and ties, figures and a report."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.load import load_dataset, read_clean
from coterie.evaluation.network_report import write_network_report
from coterie.files import atomic_file, write_atomically
from coterie.network.columns import PEOPLE_FILE, TIES_FILE, people_table, ties_table
from coterie.network.diffusion import Diffused, find_diffusion
from coterie.network.figures import network_figures
from coterie.network.invitations import count_invitations
from coterie.network.layout import draw
from coterie.network.people import Network
from coterie.network.settings import NetworkSettings
from coterie.network.study import study
from coterie.progress import Progress, silent
from coterie.workflow.config_values import read_config
from coterie.workflow.settings import change
from coterie.workflow.stages import Stages

FIGURES_FILE: Final = "network.json"
REPORT_FILE: Final = "network.html"


def read_network_settings(*given: str) -> NetworkSettings:
    """Read what differs from the defaults: JSON, NAME=VALUE, or the address of a file of JSON.

    Raises:
        BadInputError: A name is unknown, a value is refused, or there is no such file.
        UnavailableError: A store does not answer.
    """
    said = [one for one in given if one.strip()]
    changes: Mapping[str, Any] = read_config(*said) if said else {}
    settings: NetworkSettings = change(NetworkSettings(), changes)
    return settings


def analyse_network(
    clean: str, out: str, settings: NetworkSettings | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Write what a shop's network is like: columns of people and ties, figures and a report.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder for the files; each is replaced when it is whole.
        settings: What is computed.
        progress: Told how many of the stages are done.

    Returns:
        The figures, as they stand in ``network.json``.

    Raises:
        BadInputError: The folder is not clean, or there are no ties.
        UnavailableError: A store does not answer.
    """
    settings = settings or NetworkSettings()
    told = Stages("network", progress, 7 + len(settings.resolutions))
    told("reading")
    dataset = load_dataset(clean)
    network = Network.of(dataset.ties, len(dataset.users))
    built = study(network, settings, told)
    told("influence")
    moved = find_diffusion(dataset, built, settings) if settings.influence else None
    told("figures")
    figures = network_figures(dataset, built, moved, settings)
    told("invitations")
    if settings.invitation_days:
        asked = count_invitations(read_clean(clean)[1], settings.invitation_days)
        figures |= {"invitations": None if asked is None else asked.figures()}
    told("files")
    found = moved if isinstance(moved, Diffused) else None
    given = np.zeros(network.num_people) if found is None else found.influence.given(network)
    picture = draw(network, built.chosen.label, given, settings.picture)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    _write(people_table(dataset, built, found), folder / PEOPLE_FILE)
    _write(ties_table(dataset, built, found), folder / TIES_FILE)
    write_atomically(folder / FIGURES_FILE, json.dumps(figures, indent=1) + "\n")
    write_network_report(figures, picture, built, found, folder / REPORT_FILE)
    told.end()
    return figures


def _write(rows: pa.Table, path: Path) -> None:
    with atomic_file(path) as file:
        pq.write_table(rows, file, compression="zstd")
