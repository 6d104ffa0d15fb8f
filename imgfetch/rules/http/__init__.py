"""Rules of HTTP: freshness, URLs and keys, credentials, content codings, ranges, digests."""
