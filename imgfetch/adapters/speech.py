"""HTTP/1.1 as it is written and read, without a connection: requests to bytes, bytes to answers.

    written ─▶ bytes of a request
    answer ─▶ Counted   a plain head, and a body of so many bytes
           ─▶ Judged    anything else that comes: h11's

What is plain is written and read here, in a tenth of the time that h11 takes; on all the rest h11 has the
say, and of what is plain it would say the same.
"""

from __future__ import annotations

import re
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import h11

from imgfetch.errors import HTTPError, ImgfetchError, NetworkError, PolicyError
from imgfetch.model import Reason
from imgfetch.rules import answers

if TYPE_CHECKING:
    from imgfetch.model import Buffer
    from imgfetch.rules.urls import Address

Fields: TypeAlias = "tuple[tuple[str, str], ...]"


class Malformed(NetworkError):
    """What comes is no HTTP, or none that was asked for."""

    def __init__(self, what: str) -> None:
        super().__init__(Reason.PROTOCOL, f"not HTTP as it should be: {what}")


# ---------------------------------------------------------------------------------------------------
# Requests


def fields_of(host: str, fields: Fields) -> bytes | None:
    """What follows the first line of a GET, where it is plain; None where h11 has to write it."""
    lines = [b"Host: %b\r\n" % host.encode()]
    for name, value in encoded(fields):
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)) or name.lower() in _NOT_PLAIN:
            return None
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join([*lines, b"\r\n"])


def written(address: Address, fields: bytes) -> bytes:
    """A GET with `fields` as `fields_of` gives them."""
    return b"GET %b HTTP/1.1\r\n%b" % (address.target.encode("ascii"), fields)


def written_by_h11(address: Address, fields: Fields) -> tuple[bytes, Judged]:
    """Any GET that can be made, and how its answer is read. Raises `PolicyError`."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=Judged.LONGEST_HEAD)
    try:
        request = h11.Request(
            method="GET",
            target=address.target,
            headers=[(b"Host", address.authority.encode()), *encoded(fields)],
        )
        data = (http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b"")
    except h11.LocalProtocolError as error:
        raise PolicyError(Reason.BAD_URL, f"not a request that can be made: {error}") from error
    return data, Judged(http)


def encoded(headers: Fields) -> list[tuple[bytes, bytes]]:
    """Fields as they are sent: what a caller writes beyond ASCII goes as UTF-8 (RFC 9110 §5.5)."""
    return [(name.encode("ascii", "replace"), value.encode("utf-8", "replace")) for name, value in headers]


_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")
_NOT_PLAIN = frozenset(
    {b"connection", b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade"}
)
"""Names of fields that change what a request is, or how its answer is read."""


# ---------------------------------------------------------------------------------------------------
# Answers


def answer(data: Buffer) -> Counted | Judged:
    """How the answer to a plain GET is read that begins with these bytes. What is kept of them is copied."""
    head = answers.plain(data)
    if head is not None:
        return Counted(head, data)
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=Judged.LONGEST_HEAD)
    http.send(_PLAIN_REQUEST)
    http.send(h11.EndOfMessage())
    judged = Judged(http)
    judged.feed(data)
    return judged


class Counted:
    """A plain answer: its head is in, and of its body we know how much there is of it."""

    def __init__(self, head: answers.Plain, data: Buffer) -> None:
        """`data` has the head, and may have some of the body."""
        self._head = head
        self._left = head.length
        """Bytes of the body that nobody has taken yet, here or not."""
        self._pieces = deque([bytes(data[head.end :])] if head.end < len(data) else ())

    def feed(self, data: Buffer) -> None:
        """Take bytes in."""
        self._pieces.append(bytes(data))

    def head(self) -> tuple[int, Fields]:
        """Status and fields."""
        return self._head.status, self._head.fields

    def piece(self) -> bytes | None:
        """More of the body: nothing where it must come first, None at its end."""
        if not self._left:
            return None
        if not self._pieces:
            return b""
        data = self._pieces.popleft()
        if len(data) > self._left:
            self._pieces.appendleft(data[self._left :])
            data = data[: self._left]
        self._left -= len(data)
        return data

    def end(self) -> bool:
        """Take note that nothing more will come; whether that may be the end of the body."""
        return False

    def is_all(self) -> bool:
        """Whether the whole answer is in, and nothing else, so that another may follow it."""
        return sum(map(len, self._pieces)) == self._left


class Judged:
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
                self._fault = HTTPError(Reason.BAD_REDIRECT, "a redirect with a head of more than 100 KB")
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
