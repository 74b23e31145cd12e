"""From exact parts of scores to a few reasons: which are told, of whom, and in what words."""
