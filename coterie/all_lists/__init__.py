"""The lists of all shoppers of a shop at once, as files: for a newsletter, or a cache."""
