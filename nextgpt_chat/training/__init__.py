"""One file per stage, one loop for all, one command for the whole recipe."""
