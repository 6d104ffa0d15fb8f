"""Sites: the part of a host name that one owner registered (the Public Suffix List).

    www.example.co.uk ─▶ example.co.uk        127.0.0.1 ─▶ 127.0.0.1

A cookie goes no further than the site of the host that set it: RFC 6265 §5.3, step 5.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


@lru_cache(1024)
def site_of(host: str) -> str:
    """Return the registered domain of a host; of an address, a single label or a public suffix, the host."""
    if _has_no_domain(host):
        return host
    return _suffixes().privatesuffix(host) or host


def is_public_suffix(domain: str) -> bool:
    """Return True if anyone may register a name under this domain, so that it belongs to no single owner."""
    return not _has_no_domain(domain) and _suffixes().privatesuffix(domain) is None


def _has_no_domain(host: str) -> bool:
    """Return True for an IPv4 or IPv6 address, and for a single label."""
    return "." not in host or ":" in host or re.fullmatch("[0-9.]+", host) is not None


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # it reads a list of 16,000 names; few runs need it

    return PublicSuffixList()
