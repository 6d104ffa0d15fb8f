"""The stand-in for a cache where there is none: bodies in memory, and nothing stored."""
