"""What lists of another release would have earned, estimated from lists that were shown."""
