"""By which way requests leave: our own connections, a proxy, or a transport of the caller's."""

from __future__ import annotations

import os
import resource
import ssl
from functools import cache, partial
from typing import TYPE_CHECKING

from imgfetch.adapters.clock import SystemClock
from imgfetch.adapters.dial import Dialler
from imgfetch.adapters.wire import WireTransport
from imgfetch.errors import InputError, printable
from imgfetch.frozen import dataclass
from imgfetch.model import Reason

if TYPE_CHECKING:
    import httpx

    from imgfetch.model import Limits
    from imgfetch.ports import Transport


@dataclass(frozen=True, slots=True)
class Network:
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
            from imgfetch.adapters.http import HttpTransport, through

            return HttpTransport(limits, self.transport or through(self.proxy or "", trust(self.ca_bundle)))
        if self.ca_bundle is not None:
            trust(self.ca_bundle)  # what is wrong with it is said at once
        elapsed = SystemClock().elapsed
        dialler = Dialler(self.allow_hosts, elapsed)
        trusted = partial(trust, self.ca_bundle)
        return WireTransport(limits, dialler, trusted, elapsed, idle=_idle(limits.jobs))


def _idle(jobs: int) -> int:
    """How many connections that nobody uses to keep: enough to go round many hosts in turn.

    Most of the files that may be open are left to the cache, and to all else.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(jobs, _MOST_IDLE if files == resource.RLIM_INFINITY else min(_MOST_IDLE, files // 4))


_MOST_IDLE = 256


@cache  # reading what the system trusts takes longer than a small download
def trust(ca_bundle: str | None) -> ssl.SSLContext:
    """What TLS trusts: a file of authorities, else what SSL_CERT_FILE or SSL_CERT_DIR name, else the web's.

    Raises `InputError`.
    """
    try:
        if ca_bundle is None and os.environ.get("SSL_CERT_DIR") and not os.environ.get("SSL_CERT_FILE"):
            context = ssl.create_default_context(capath=os.environ["SSL_CERT_DIR"])
        else:
            file = ca_bundle or os.environ.get("SSL_CERT_FILE") or _of_the_web()
            context = ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one, for a file without certificates
        why = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate is in it"
        raise InputError(
            Reason.BAD_INPUT,
            f"not a file of certificate authorities: {why}",
            printable(ca_bundle or "SSL_CERT_FILE or SSL_CERT_DIR"),
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _of_the_web() -> str:
    import certifi  # slow to import, and plain http: needs none

    return certifi.where()
