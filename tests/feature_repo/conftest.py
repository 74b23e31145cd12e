from pathlib import Path
from typing import NamedTuple

import pytest
from tiny_shop import write_clean


class Filled(NamedTuple):
    clean: Path
    store: Path
    known: Path


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """A tiny shop's feature store, as the features step leaves it."""
    from feature_repo.materialise import materialise

    home = tmp_path_factory.mktemp("features")
    clean = write_clean(home)
    materialise(str(clean), str(home / "store"), str(home / "known"), "1")
    return Filled(clean, home / "store", home / "known")
