"""The cache on disk: objects under their digests, and an index of the responses that brought them."""
