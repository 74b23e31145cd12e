"""Coterie: product recommendations through the people a shopper knows."""

__version__ = "0.1.0"
