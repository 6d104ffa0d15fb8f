"""Pages: the tree of an HTML page, its attributes, and every image that it offers."""
