"""One script a published number."""

import os

# Before Torch comes, and for the processes that the scripts start; see coterie.cli.main.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
