"""Views and rows of what is known of shoppers, and the stores that hold them."""

from coterie.imports import quick_imports

# Before any module of ours asks for it: as it comes by itself, it takes three times as long.
with quick_imports():
    import feast  # noqa: F401
