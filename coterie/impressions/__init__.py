"""What lists showed: one row an item, and what shoppers then did with it."""
