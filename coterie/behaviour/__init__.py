"""What shoppers are like, what they will do, and what a shop will sell."""
