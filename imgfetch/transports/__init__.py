"""httpx, in both directions: transports that other programs can use, and theirs behind our port."""
