"""Resolve a name, ask the guard, and connect to the very addresses that it judged.

Connector.connect ─▶ Names.resolve ─▶ address_guard.judge ─▶ socket ─▶ TLS
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import NetworkError, PolicyError, Unreachable
from imgfetch.http.resolver import Names, look_up, too_many_open_files
from imgfetch.model.result import ErrorKind
from imgfetch.rules.crawl import address_guard
from imgfetch.rules.http import urls
from imgfetch.rules.policy import retry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from imgfetch.http.address_slots import Slot
    from imgfetch.http.resolver import LookUp

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Connector:
    """Makes connections, and none to an internal address unless its host is allowed.

    It sits below redirects, retries and reuse: every connection of `Http1Pool` is made here.
    """

    def __init__(
        self, allowed: Collection[str], elapsed: Callable[[], float], look_up: LookUp = look_up
    ) -> None:
        """`elapsed` gives seconds on a clock that is never set."""
        self._allowed = allowed
        self._elapsed = elapsed
        self._names = Names(elapsed, look_up)

    async def connect(
        self,
        protocol: Callable[[], P],
        host: str,
        port: int,
        *,
        timeout: float,  # noqa: ASYNC109 (each step has its own)
        tls: ssl.SSLContext | None = None,
        slot: Slot | None = None,
    ) -> P:
        """Connect `protocol` to `host`, over `tls` where it is given; each step has `timeout` seconds.

        The connection counts for its address in `slot`, which the caller releases.

        Raises `PolicyError` (`blocked`, `bad_url`), `NetworkError` (`dns`, `connect`, `timeout`, `tls`), and
        `CacheError` where too many files are open; `AddressBusy` where `slot` has reached the limit.
        """
        sock = await self._connected(host, port, timeout, slot)
        loop = asyncio.get_running_loop()
        if tls is None:
            _, connected = await loop.create_connection(protocol, sock=sock)
            return connected
        try:
            _, connected = await loop.create_connection(
                protocol, sock=sock, ssl=tls, server_hostname=host, ssl_handshake_timeout=timeout
            )
        except ConnectionAbortedError as error:  # asyncio raises it when the handshake takes too long
            late = f"no TLS handshake within {timeout:g} s"
            raise NetworkError(
                ErrorKind.TLS, late, hint="is this a port for plain http:?", limit="connect_timeout"
            ) from error
        except OSError as error:  # ssl.SSLError is a subclass
            raise NetworkError(
                ErrorKind.TLS, f"no TLS connection: {why(error)}", hint=tls_hint(error)
            ) from error
        return connected

    async def _connected(
        self,
        host: str,
        port: int,
        timeout: float,  # noqa: ASYNC109
        slot: Slot | None,
    ) -> socket.socket:
        """Return a socket connected to the first address of `host` that answers.

        The addresses share the time; of many, only those are tried for which there is enough.
        """
        blocked = urls.blocked_port(port)
        if blocked is not None:
            raise PolicyError(blocked.kind, blocked.message)
        addresses = await self._names.resolve(host, timeout)
        defect = address_guard.judge(host, addresses, allowed=self._allowed)
        if defect is not None:
            raise PolicyError(defect.kind, defect.message, hint=retry.allow_host(host))
        failure: OSError = TimeoutError()
        busy = ""
        until = self._elapsed() + timeout
        for number, address in enumerate(_interleaved(addresses)):
            left = until - self._elapsed()
            if number and left <= 0:
                break
            if slot is not None and not await slot.take(address):
                busy = busy or address
                continue
            try:
                return await _open_socket(address, port, min(left, _share(timeout, len(addresses))))
            except OSError as error:
                failure = error
                if slot is not None:
                    slot.release()
        if slot is not None and busy:
            raise slot.busy(busy)
        self._names.forget(host)  # it may have moved
        if isinstance(failure, TimeoutError):
            late = f"no connection within {timeout:g} s"
            raise Unreachable(ErrorKind.TIMEOUT, late, limit="connect_timeout") from failure
        if failure.errno in (errno.EMFILE, errno.ENFILE):
            raise too_many_open_files() from failure
        raise Unreachable(ErrorKind.CONNECT, f"cannot connect: {why(failure)}") from failure


async def _open_socket(address: str, port: int, seconds: float) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def why(error: Exception) -> str:
    """Describe what went wrong with a connection, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        words = os.strerror(error.errno)  # asyncio's own message names the call that failed
        return words[0].lower() + words[1:]
    return str(error) or type(error).__name__


def tls_hint(error: OSError) -> str | None:
    """Return a hint for a TLS handshake that failed, or None."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return retry.NEEDS_AUTHORITY
    plain = isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER"
    return "is this a port for plain http:?" if plain else None


def _share(timeout: float, addresses: int) -> float:
    """Return the seconds for each address: enough for a distant host to answer, if there is so much."""
    return max(timeout / addresses, min(timeout, 2.5))


def _interleaved(addresses: list[str]) -> list[str]:
    """Alternate IPv6 and IPv4 (RFC 8305 §4), so that both are tried even if one family is unreachable."""
    first = [address for address in addresses if (":" in address) == (":" in addresses[0])]
    other = [address for address in addresses if address not in first]
    return [address for pair in zip_longest(first, other) for address in pair if address is not None]
