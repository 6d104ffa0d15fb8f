"""Bodies under way in memory, whatever their size; resumable while their download lasts.

open ─▶ write … ─▶ read ─▶ take
          │
     make_resumable ─▶ suspend ─▶ resume, by the next attempt │ forget, after the last
"""

from __future__ import annotations

import hashlib
import os
from contextlib import nullcontext
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import CacheError
from imgfetch.model.request import Partial
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Digest, StagingId

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from imgfetch.model.request import Head
    from imgfetch.model.values import Buffer, Key


class _Response(NamedTuple):
    """The response that a body begins."""

    key: Key
    head: Head


class _Body:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.length = 0
        self.digest: Digest | None = None
        """The digest of all bytes; None until they have been read, and after each write."""
        self.response: _Response | None = None
        """The response to resume; None for a body that cannot be resumed."""

    def write(self, chunk: bytes) -> int:
        self.pieces.append(bytes(chunk))
        self.length += len(chunk)
        self.digest = None
        return self.length

    def contents(self) -> tuple[bytes, Digest]:
        """Return all bytes, which are joined once, and their digest."""
        if len(self.pieces) != 1:
            self.pieces = [b"".join(self.pieces)]
        (data,) = self.pieces
        if self.digest is None:
            self.digest = Digest(hashlib.sha256(data).hexdigest())
        return data, self.digest


class TransientStaging:
    """A `Staging` in dictionaries."""

    def __init__(self) -> None:
        self._bodies: dict[StagingId, _Body] = {}
        self._suspended: dict[Key, _Body] = {}
        self._prefix = os.urandom(8).hex()
        self._numbers = count()

    def open(self) -> StagingId:
        """Return the id of a new, empty body."""
        return self._add(_Body())

    def write(self, staging_id: StagingId, chunk: bytes) -> int:
        """Append bytes to a body; return its length. Raise `CacheError` where memory is short."""
        try:
            return self._body(staging_id).write(chunk)
        except MemoryError as error:
            self.discard(staging_id)
            raise CacheError(ErrorKind.IO, "not enough memory for the body of the image") from error

    def read(self, staging_id: StagingId) -> AbstractContextManager[tuple[Buffer, Digest]]:
        """Return all bytes of a body, and their digest."""
        return nullcontext(self._body(staging_id).contents())

    def take(self, staging_id: StagingId) -> tuple[bytes, Digest]:
        """Remove a body; return its bytes, and their digest."""
        contents = self._body(staging_id).contents()
        self.discard(staging_id)
        return contents

    def make_resumable(self, staging_id: StagingId, key: Key, head: Head) -> None:
        """Record which response a body begins, unless that is known."""
        body = self._body(staging_id)
        body.response = body.response or _Response(key, head)

    def suspend(self, staging_id: StagingId) -> None:
        """Close a body: a resumable one waits for `resume` or `forget`, others are dropped."""
        body = self._bodies.pop(staging_id, None)
        if body is not None and body.response is not None:
            self._suspended[body.response.key] = body

    def resume(self, key: Key) -> Partial | None:
        """Claim the body of `key` that was suspended last."""
        body = self._suspended.pop(key, None)
        if body is None or body.response is None:
            return None
        return Partial(self._add(body), body.length, body.response.head)

    def forget(self, key: Key) -> None:
        """Drop what was suspended under `key`."""
        self._suspended.pop(key, None)

    def discard(self, staging_id: StagingId) -> None:
        """Drop a body. One that is not there is not an error."""
        self._bodies.pop(staging_id, None)

    def clear(self) -> None:
        """Drop every body."""
        self._bodies.clear()
        self._suspended.clear()

    def _add(self, body: _Body) -> StagingId:
        staging_id = StagingId(f"{self._prefix}-{next(self._numbers)}")
        self._bodies[staging_id] = body
        return staging_id

    def _body(self, staging_id: StagingId) -> _Body:
        body = self._bodies.get(staging_id)
        if body is None:
            raise CacheError(ErrorKind.IO, "the body was committed, discarded, or is another store's")
        return body
