"""Functions for scripts: they block, and need no event loop."""
