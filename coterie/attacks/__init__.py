"""Fake accounts: how they would push an item, and how they are found.

``fakes`` makes them and ``profiles`` what they did; ``account_traits`` measures what sets accounts
apart, ``detector`` learns it on fakes of its own, ``suspects`` lists whom to look at.
"""
