"""What the graph says of people: structure, communities, who moves whom, whom one may know."""
