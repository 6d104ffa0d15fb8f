"""HTTP/1.1 that is not plain, written and read by h11: bodies of requests, chunks, interim responses."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import h11

from imgfetch.errors import HTTPError, ImgfetchError
from imgfetch.http.plain import Malformed, Unsendable
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http.response_head import well_formed

if TYPE_CHECKING:
    from imgfetch.http.plain import Fields, Message
    from imgfetch.model.values import Buffer


def encode(message: Message) -> tuple[bytes, H11Exchange]:
    """Encode a request; return it without its body, and the exchange that it begins. Raises `Unsendable`."""
    if message.method == "CONNECT":
        raise Unsendable("CONNECT opens a tunnel")
    exchange = H11Exchange()
    try:
        request = h11.Request(method=message.method, target=message.target, headers=list(message.fields))
    except h11.LocalProtocolError as error:
        raise Unsendable(error) from error
    data = exchange.send(request)
    return data if message.body is not None else data + exchange.send(h11.EndOfMessage()), exchange


def read_response(data: Buffer) -> H11Exchange:
    """Read the response to a plain GET that begins with `data`."""
    exchange = H11Exchange()
    exchange.send(_PLAIN_REQUEST)
    exchange.send(h11.EndOfMessage())
    exchange.feed(data)
    return exchange


class H11Exchange:
    """A request and its response of any kind, written and read by h11.

    h11 bounds each head but does not count interim responses (1xx), of which there may be any number. It
    waits for the end of a line even where the first bytes show that this will never be HTTP.
    """

    LONGEST_HEAD = 100_000
    """Bytes in a head."""
    LIMIT = 200_000 + 256 * 1024
    """Bytes before the end of the last head: a head, and one read of the beginning of the body."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=self.LONGEST_HEAD)
        self._has_head = False
        """True once the final head was received."""
        self._received = 0
        """Bytes received before it was."""
        self._beginning = b""
        """The first twelve bytes received."""
        self._saw_blank_line = False
        """True once a first head has ended."""
        self._unread = bytearray()
        """The beginning of a head, before its end is received."""
        self._is_body = False
        """True once h11 has the whole final head."""
        self._fault: ImgfetchError | None = None
        """The reason why the bytes received are not a response."""

    def send(self, event: h11.Event) -> bytes:
        """Encode a part of the request. Raises `Unsendable`."""
        try:
            return self._http.send(event) or b""
        except h11.LocalProtocolError as error:
            raise Unsendable(error) from error

    def encode_piece(self, data: bytes) -> bytes:
        """Encode a piece of the request's body. Raises `Unsendable` where it exceeds Content-Length."""
        return self.send(h11.Data(data)) if data else b""

    def encode_end(self) -> bytes:
        """Encode the end of the request's body. Raises `Unsendable` where it ends before Content-Length."""
        return self.send(h11.EndOfMessage())

    def feed(self, data: Buffer) -> None:
        """Copy bytes that were received."""
        if not self._has_head:
            self._check_head(data)
        if self._is_body:
            self._http.receive_data(bytes(data))
        else:
            self._unread += data
            self._pass_heads(len(self._unread) - len(data))

    def _pass_heads(self, searched: int) -> None:
        """Give h11 the heads that were received, well-formed, and what follows the last.

        The first `searched` bytes have no end of a head.
        """
        while not self._is_body:
            end = _BLANK_LINE.search(self._unread, max(0, searched - 2))
            if end is None:
                if len(self._unread) > self.LONGEST_HEAD:
                    self._fault = self._fault or Malformed("a head of more than 100 KB")
                return
            head = bytes(self._unread[: end.end()])
            del self._unread[: end.end()]
            self._http.receive_data(well_formed(head))
            self._is_body, searched = _INTERIM.match(head) is None, 0
        self._give_unread()

    def _give_unread(self) -> None:
        if self._unread:
            self._http.receive_data(bytes(self._unread))
            self._unread.clear()

    def _check_head(self, data: Buffer) -> None:
        self._received += len(data)
        self._beginning = (self._beginning + bytes(data[:12]))[:12]
        self._saw_blank_line = self._saw_blank_line or _BLANK_LINE.search(data) is not None
        if self._beginning[:5] != b"HTTP/"[: len(self._beginning)]:
            self._fault = Malformed("no status line")
        elif self._received > self.LONGEST_HEAD and not self._saw_blank_line:
            if self._beginning[9:10] == b"3":
                self._fault = HTTPError(ErrorKind.BAD_REDIRECT, "a redirect with a head of more than 100 KB")
            else:
                self._fault = Malformed("a head of more than 100 KB")
        elif self._received > self.LIMIT:
            self._fault = Malformed(f"no final response in {self._received:,} bytes of interim responses")

    def head(self) -> tuple[int, Fields] | None:
        """Return status and fields of the final response; None until its head is received.

        Raises `Malformed`, or `HTTPError` for a redirect with an endless head.
        """
        if self._fault is not None:
            raise self._fault
        while True:
            event = self._next_event()
            if isinstance(event, h11.Response):
                self._has_head = True
                fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
                return event.status_code, tuple(fields)
            if event is h11.NEED_DATA:
                return None
            if not isinstance(event, h11.InformationalResponse):
                raise Malformed("a body without a head")
            if event.status_code == 101:
                raise Malformed("unexpected HTTP 101")

    def piece(self) -> bytes | None:
        """Return more of the body: nothing until more is received, None at its end. Raises `Malformed`."""
        event = self._next_event()
        if isinstance(event, h11.Data):
            return event.data
        return b"" if event is h11.NEED_DATA else None

    def end(self) -> bool:
        """Take note that the connection ended; return whether the body may end by that."""
        self._give_unread()
        self._http.receive_data(b"")
        return True

    def is_complete(self) -> bool:
        """Return whether exactly one response was received, so that another may follow it.

        A body that was not read to its end is skipped as far as it was received.
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
            raise Malformed(_BYTES.sub(r"\1", str(error))) from error


_BYTES = re.compile(r"bytearray\(b?(.*)\)|\bb(?=['\"])", re.DOTALL)
"""The words of Python around the bytes that h11 quotes."""

_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1(?!01)[0-9][0-9]\b")
"""The beginning of an interim response: another head follows (RFC 9110 §15.2)."""

_PLAIN_REQUEST = h11.Request(method="GET", target="/", headers=[("Host", "h")])

_BLANK_LINE = re.compile(rb"\n\r?\n")
"""The end of a head. One that two reads divide is not found: that matters only to heads of 100 KB."""
