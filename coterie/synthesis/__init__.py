"""Shops of people who do not exist, learned from a shop of people who do."""
