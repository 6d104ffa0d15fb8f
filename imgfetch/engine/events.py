"""Events of a run: progress display and logs read this one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.model.markup import Candidate
    from imgfetch.model.result import Failure


class RequestSent(NamedTuple):
    """A request is about to be sent."""

    url: str
    """Without secrets."""
    offset: int = 0
    """The first byte requested; earlier ones were received by an earlier attempt."""


class BytesReceived(NamedTuple):
    """Bytes were received."""

    bytes: int


class RetryScheduled(NamedTuple):
    """A request failed, and will be sent again after a wait."""

    failed: Failure
    seconds: float


class FellThrough(NamedTuple):
    """A candidate failed, and the next one of the same image is tried."""

    failed: Failure
    to: Candidate


class WaitingForOtherProcess(NamedTuple):
    """Another process downloads the same, and this one waits for it."""

    url: str
    """Without secrets."""


class DocumentRead(NamedTuple):
    """A document was read to its end, and its images were chosen from."""

    name: str
    """Its URL without secrets, or the name of its file."""
    what: str
    """Its type, by what it was recognised, and where its base URL stood: `html, by its name .html`."""
    taken: int = 0
    """Images that are wanted."""
    left_out: Mapping[str, int] = {}
    """The numbers of other images, by the reasons of `rules.image.kinds.LeftOut`."""


class LinkedUnread(NamedTuple):
    """A document loads others that name images, and were not read."""

    name: str
    """Its URL without secrets, or the name of its file."""
    unread: Mapping[str, int]
    """The numbers of documents, by what they are: `style sheets`."""


class FileLeftOut(NamedTuple):
    """A file of a folder, or a folder in it, is not read, or gives no image."""

    name: str
    reason: str
    """One of `api.selection.folders.Unread`."""


Event: TypeAlias = (
    RequestSent
    | BytesReceived
    | RetryScheduled
    | FellThrough
    | WaitingForOtherProcess
    | DocumentRead
    | FileLeftOut
    | LinkedUnread
)
