"""By which way requests leave: our own connections, a proxy, or a transport of the caller's."""

from __future__ import annotations

import resource
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.http.connect import Connector
from imgfetch.http.pool import Http1Pool
from imgfetch.http.tls import trust
from imgfetch.system.clock import SystemClock

if TYPE_CHECKING:
    import httpx

    from imgfetch.model.request import Limits
    from imgfetch.ports import Transport


class Network(NamedTuple):
    """By which way requests leave. A `transport` of the caller replaces all the rest."""

    allow_hosts: tuple[str, ...] = ()
    """Internal hosts, addresses or networks that may be contacted."""
    proxy: str | None = None
    """It resolves names and dials for us, where the guard cannot see: giving one is trusting it."""
    ca_bundle: str | None = None
    """A file of certificate authorities to trust instead of the usual ones."""
    transport: httpx.AsyncBaseTransport | None = None
    """It dials for itself, where the guard cannot see, unless it is a `GuardedTransport`."""

    def open(self, limits: Limits) -> Transport:
        """The transport that leads this way. Raises `InputError`."""
        if self.transport is not None or self.proxy is not None:
            from imgfetch.transports.adapter import HttpTransport, through

            return HttpTransport(limits, self.transport or through(self.proxy or "", trust(self.ca_bundle)))
        if self.ca_bundle is not None:
            trust(self.ca_bundle)  # what is wrong with it is said at once
        elapsed = SystemClock().elapsed
        dialler = Connector(self.allow_hosts, elapsed)
        trusted = partial(trust, self.ca_bundle)
        return Http1Pool(limits, dialler, trusted, elapsed, idle=_idle(limits.jobs))


def _idle(jobs: int) -> int:
    """How many connections that nobody uses to keep: enough to go round many hosts in turn.

    Most of the files that may be open are left to the cache, and to all else.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(jobs, _MOST_IDLE if files == resource.RLIM_INFINITY else min(_MOST_IDLE, files // 4))


_MOST_IDLE = 256
