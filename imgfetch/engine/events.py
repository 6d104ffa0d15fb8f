"""What happens on the way, for whoever watches: progress and logs read this one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from imgfetch.model.markup import Candidate
    from imgfetch.model.result import Failure


class RequestSent(NamedTuple):
    """A request is about to be sent."""

    url: str
    """Without secrets."""
    offset: int = 0
    """From which byte on; those before have come already."""


class BytesReceived(NamedTuple):
    """So many more bytes came over the wire."""

    bytes: int


class RetryScheduled(NamedTuple):
    """A request failed, and will be made again after a wait."""

    failed: Failure
    seconds: float


class FellThrough(NamedTuple):
    """A candidate is given up, and the next one of the same image is tried."""

    failed: Failure
    to: Candidate


class WaitingForOtherProcess(NamedTuple):
    """Another process is fetching it, and is waited for."""

    url: str
    """Without secrets."""


Event: TypeAlias = RequestSent | BytesReceived | RetryScheduled | FellThrough | WaitingForOtherProcess
