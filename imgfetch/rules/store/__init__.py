"""Rules of the store and of the files beside it: eviction, checks, lock files, manifests."""
