"""Files that players and services read, and the stores they go to."""
