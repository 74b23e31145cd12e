"""Events, and the logs that keep them: SQLite on one machine, Redis on a cluster."""
