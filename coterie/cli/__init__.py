"""Coterie on the command line: ``coterie --help``."""

from coterie.cli.main import main

__all__ = ["main"]
