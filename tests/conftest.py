"""What holds for all tests, whichever of them share a process."""

import prometheus_client  # noqa: F401 - see below

# Feast sets PROMETHEUS_MULTIPROC_DIR when it is imported, and prometheus-client decides at its own
# import whether counts are a process's alone: counted after Feast, one test would see another's.
