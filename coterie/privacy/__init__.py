"""What a shop owes to people: to forget them where no service does."""
