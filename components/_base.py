"""What all components have in common."""

import functools
import os
from typing import Final

from kfp import dsl

import coterie

IMAGE: Final = os.environ.get("COTERIE_IMAGE", f"coterie-train:{coterie.__version__}")
"""Holds the wheel and all that it needs: nothing is installed at run time."""

component = functools.partial(dsl.component, base_image=IMAGE, install_kfp_package=False)
