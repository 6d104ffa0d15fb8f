"""Make the transport that requests go out by: our own connections, a proxy, or the caller's transport."""

from __future__ import annotations

import resource
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.http.connect import Connector
from imgfetch.http.pool import Http1Pool
from imgfetch.http.tls import trust
from imgfetch.system.clock import SystemClock

if TYPE_CHECKING:
    from imgfetch.model.request import Limits
    from imgfetch.ports import Transport
    from imgfetch.transports.foreign import AsyncTransport


class Network(NamedTuple):
    """How requests leave the process. A `transport` of the caller replaces all the rest."""

    allow_hosts: tuple[str, ...] = ()
    """Internal hosts, addresses or networks that may be contacted."""
    proxy: str | None = None
    """URL of a proxy. It connects without our address guard: to give one is to trust it."""
    ca_bundle: str | None = None
    """A file of certificate authorities to trust instead of the usual ones."""
    transport: AsyncTransport | None = None
    """Transport of httpx's shape. It connects without our address guard, unless it is a `PooledTransport`."""

    def open(self, limits: Limits) -> Transport:
        """Make the transport. Raises `InputError`."""
        if self.transport is not None or self.proxy is not None:
            from imgfetch.transports.adapter import HttpTransport, through

            return HttpTransport(limits, self.transport or through(self.proxy or "", trust(self.ca_bundle)))
        if self.ca_bundle is not None:
            trust(self.ca_bundle)  # an unusable file is reported at once
        elapsed = SystemClock().elapsed
        connector = Connector(self.allow_hosts, elapsed)
        trusted = partial(trust, self.ca_bundle)
        return Http1Pool(limits, connector, trusted, elapsed, idle=_idle(limits.jobs))


def _idle(jobs: int) -> int:
    """Return how many idle connections to keep: enough to visit many hosts in turn.

    Most of the files that may be open are left to the cache and the rest of the program.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(jobs, _MOST_IDLE if files == resource.RLIM_INFINITY else min(_MOST_IDLE, files // 4))


_MOST_IDLE = 256
