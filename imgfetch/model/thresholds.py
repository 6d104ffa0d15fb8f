"""Numbers that both the lookup and the rules go by. The fast path of the command line imports this module."""

from __future__ import annotations

CHECK_AGE = 7 * 86_400.0
"""Seconds after which a stored object is hashed again at its next use, unless the caller says otherwise."""

GRANULARITY = 3600
"""Seconds for which a persisted access stands for the accesses that follow it."""

REPEATED_BYTES = 32 * 1024
"""Bytes of the largest file that may be a placeholder because many URLs have it."""

REPEATED_KEYS = 5
"""Number of keys with the same bytes from which on these may be a placeholder."""
