"""Events on their way: checked, kept, put into features, exported."""
