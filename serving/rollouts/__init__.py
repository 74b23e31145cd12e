"""Which release answers whom: arms, checks of their lists, clicks that follow, the controller."""
