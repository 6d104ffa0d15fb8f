"""The world: each third-party library is imported by one module here, and its exceptions stop there."""
