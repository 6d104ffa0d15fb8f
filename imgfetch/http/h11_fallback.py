"""HTTP/1.1 that is not plain, written and read by h11: the rest of what `speech` does."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import h11

from imgfetch.errors import HTTPError, ImgfetchError, PolicyError
from imgfetch.http.plain import Malformed, encoded
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.http.plain import Fields
    from imgfetch.model.values import Buffer
    from imgfetch.rules.http.urls import Address


def written(address: Address, fields: Fields) -> tuple[bytes, H11Body]:
    """Any GET that can be made, and how its answer is read. Raises `PolicyError`."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=H11Body.LONGEST_HEAD)
    try:
        request = h11.Request(
            method="GET",
            target=address.target,
            headers=[(b"Host", address.authority.encode()), *encoded(fields)],
        )
        data = (http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b"")
    except h11.LocalProtocolError as error:
        raise PolicyError(ErrorKind.BAD_URL, f"not a request that can be made: {error}") from error
    return data, H11Body(http)


def answer(data: Buffer) -> H11Body:
    """How the answer to a plain GET is read that begins with these bytes."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=H11Body.LONGEST_HEAD)
    http.send(_PLAIN_REQUEST)
    http.send(h11.EndOfMessage())
    judged = H11Body(http)
    judged.feed(data)
    return judged


class H11Body:
    """An answer of whatever kind, read by h11.

    h11 bounds each head, but keeps no count of interim responses (1xx), of which there may be no end; and
    it waits for the end of a line, where the first bytes tell that this will never be HTTP.
    """

    LONGEST_HEAD = 100_000
    """Bytes in a head."""
    LIMIT = 200_000 + 256 * 1024
    """Bytes before the last head is in: a head, and a read of the body's beginning."""

    def __init__(self, http: h11.Connection) -> None:
        """`http` has sent the request."""
        self._http = http
        self._headed = False
        """Whether the head of the answer is in."""
        self._received = 0
        """Bytes before it was."""
        self._beginning = b""
        self._blank = False
        """Whether a first head has ended."""
        self._fault: ImgfetchError | None = None
        """Why what comes is no answer."""

    def feed(self, data: Buffer) -> None:
        """Take bytes in."""
        if not self._headed:
            self._look_at(data)
        self._http.receive_data(bytes(data))

    def _look_at(self, data: Buffer) -> None:
        self._received += len(data)
        self._beginning = (self._beginning + bytes(data[:12]))[:12]
        self._blank = self._blank or _BLANK_LINE.search(data) is not None
        if self._beginning[:5] != b"HTTP/"[: len(self._beginning)]:
            self._fault = Malformed("no status line")
        elif self._received > self.LONGEST_HEAD and not self._blank:
            if self._beginning[9:10] == b"3":
                self._fault = HTTPError(ErrorKind.BAD_REDIRECT, "a redirect with a head of more than 100 KB")
            else:
                self._fault = Malformed("a head of more than 100 KB")
        elif self._received > self.LIMIT:
            self._fault = Malformed(f"no answer in {self._received:,} bytes of interim ones")

    def head(self) -> tuple[int, Fields] | None:
        """Status and fields, interim responses passed over; None where more must come first.

        Raises `Malformed`, or `HTTPError` for a redirect without end.
        """
        if self._fault is not None:
            raise self._fault
        while True:
            event = self._next_event()
            if isinstance(event, h11.Response):
                self._headed = True
                fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
                return event.status_code, tuple(fields)
            if event is h11.NEED_DATA:
                return None
            if not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                raise Malformed("an answer to a question that was not asked")

    def piece(self) -> bytes | None:
        """More of the body: nothing where it must come first, None at its end. Raises `Malformed`."""
        event = self._next_event()
        if isinstance(event, h11.Data):
            return event.data
        return b"" if event is h11.NEED_DATA else None

    def end(self) -> bool:
        """Take note that nothing more will come; whether that may be the end of the body."""
        self._http.receive_data(b"")
        return True

    def is_all(self) -> bool:
        """Whether the whole answer is in, and nothing else, so that another may follow it.

        Of a body that nobody wanted, what has come is passed over.
        """
        with suppress(Malformed):
            while self._http.their_state is h11.SEND_BODY and self._next_event() is not h11.NEED_DATA:
                pass
        done = self._http.their_state is self._http.our_state is h11.DONE
        return done and not self._http.trailing_data[0]

    def _next_event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise Malformed(str(error)) from error


_PLAIN_REQUEST = h11.Request(method="GET", target="/", headers=[("Host", "h")])

_BLANK_LINE = re.compile(rb"\n\r?\n")
"""The end of a head. Where a read parts it, it goes unseen: that matters only to heads of 100 KB."""
