"""Work on assets: orders, the processes that carry them out, and who sees to them."""
