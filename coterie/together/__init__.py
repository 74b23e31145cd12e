"""Whom to share an item with, what a group may buy together, and whom one may know."""
