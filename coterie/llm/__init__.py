"""Generative language models: one client, answers held to a form, words held to facts."""
