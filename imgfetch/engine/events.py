"""What happens on the way, for whoever watches: progress and logs read this one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from imgfetch.frozen import dataclass

if TYPE_CHECKING:
    from imgfetch.model import Candidate, Failed


@dataclass(frozen=True, slots=True)
class Asked:
    """A request is about to be sent."""

    url: str
    """Without secrets."""
    offset: int = 0
    """From which byte on; those before have come already."""


@dataclass(frozen=True, slots=True)
class Received:
    """So many more bytes came over the wire."""

    bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request failed, and will be made again after a wait."""

    failed: Failed
    seconds: float


@dataclass(frozen=True, slots=True)
class FellThrough:
    """A candidate is given up, and the next one of the same image is tried."""

    failed: Failed
    to: Candidate


@dataclass(frozen=True, slots=True)
class Followed:
    """Another process is fetching it, and is waited for."""

    url: str
    """Without secrets."""


Event: TypeAlias = Asked | Received | Waiting | FellThrough | Followed
