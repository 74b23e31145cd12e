"""What is known of an item without anybody's taste: its words, its looks, its sound."""
