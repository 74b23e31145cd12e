"""What is known of shoppers now: the online store, and recent lists."""
