"""What happens on the way, for whoever watches: progress and logs read this one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from imgfetch.frozen import dataclass

if TYPE_CHECKING:
    from imgfetch.model.markup import Candidate
    from imgfetch.model.result import Failure


@dataclass(frozen=True, slots=True)
class RequestSent:
    """A request is about to be sent."""

    url: str
    """Without secrets."""
    offset: int = 0
    """From which byte on; those before have come already."""


@dataclass(frozen=True, slots=True)
class BytesReceived:
    """So many more bytes came over the wire."""

    bytes: int


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """A request failed, and will be made again after a wait."""

    failed: Failure
    seconds: float


@dataclass(frozen=True, slots=True)
class FellThrough:
    """A candidate is given up, and the next one of the same image is tried."""

    failed: Failure
    to: Candidate


@dataclass(frozen=True, slots=True)
class WaitingForOtherProcess:
    """Another process is fetching it, and is waited for."""

    url: str
    """Without secrets."""


Event: TypeAlias = RequestSent | BytesReceived | RetryScheduled | FellThrough | WaitingForOtherProcess
