"""A shopper's list: made of a release and what is known of the shopper, with reasons."""
