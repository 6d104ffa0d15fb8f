"""Prints results to standard output, and everything else to standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from imgfetch.errors import printable
from imgfetch.model.result import Failure
from imgfetch.redaction import without_credentials
from imgfetch.rules.http.urls import brief

if TYPE_CHECKING:
    from imgfetch.api.images import Explanation
    from imgfetch.api.jobs import Job
    from imgfetch.api.results import Image
    from imgfetch.model.markup import Candidate, Choice, Problem


def result(line: str) -> None:
    """Print one result at once and in one write: other processes may write to the same pipe."""
    text = printable(line)
    try:
        _print(text)
    except UnicodeEncodeError as error:  # the locale lacks a character
        _print(text.encode(error.encoding, "backslashreplace").decode(error.encoding))


def _print(text: str) -> None:
    print(f"{text}\n", end="", flush=True)  # noqa: T201 (the output of the command line)


def say(line: str) -> None:
    """Print one message to standard error, without the userinfo of URLs."""
    if sys.stderr is not None:  # None if the caller closed it
        print(f"imgfetch: {printable(without_credentials(line))}", file=sys.stderr)  # noqa: T201 (as above)


def utc(seconds: float) -> str:
    """Format seconds since the epoch as a date and a time: `2025-05-26 08:00:00+00:00`."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds")
    except (OverflowError, ValueError, OSError):  # the clock was wrong
        return f"{seconds:.0f} s after 1970"


def json_of(outcome: Image | Failure, path: str | None = None) -> str:
    """Return an outcome of `get` as one line of JSON."""
    return _dump(fields_of(outcome, path))


def fields_of(outcome: Image | Failure, path: str | None = None) -> dict[str, Any]:
    """Return the JSON members of an outcome of `get`."""
    failed = outcome if isinstance(outcome, Failure) else None
    image = None if isinstance(outcome, Failure) else outcome
    return {
        "index": outcome.index,
        "place": outcome.position,
        "source": outcome.source,
        "page": outcome.page or None,
        "url": brief(outcome.url),
        "status": "ok" if failed is None else "skipped" if failed.is_skipped else "error",
        "path": path,
        "sha256": image and image.sha256,
        "bytes": image and image.bytes,
        "format": image and image.format,
        "width": image and image.width,
        "height": image and image.height,
        "origin": image and image.origin,
        "reused": image and image.reused,
        "attempts": outcome.attempts,
        "choice": image and choice_fields(image.choice),
        "verified": image.verified if image else [],
        "warnings": image.warnings if image else [],
        "fakes": image.fakes if image else [],
        "skipped": failed.message if failed is not None and failed.is_skipped else None,
        "error": None if failed is None or failed.is_skipped else _error_fields(failed),
    }


def json_of_choice(job: Job, choice: Choice, explanation: Explanation) -> str:
    """Return an outcome of `pick` as one line of JSON."""
    return _dump(
        {
            "index": job.index,
            "source": job.source,
            "page": job.page or None,
            **choice_fields(choice),
            "parts": [{"name": part.name, "against": part.against or None} for part in explanation.parts],
            "source_size": explanation.source_size,
            "densities": [{"url": brief(c.url), "density": density} for c, density in explanation.densities],
            "policies": {policy: brief(c.url) for policy, c in explanation.policies},
            "problems": [_problem_fields(problem) for problem in choice.source_set.problems],
        }
    )


def choice_fields(choice: Choice) -> dict[str, Any]:
    """Return the JSON members of a choice: its URL, the reason and the alternatives."""
    return {
        "url": brief(choice.url),
        "why": choice.why,
        "policy": choice.policy,
        "width": choice.width,
        "kind": choice.source_set.kind,
        "candidate": _candidate_fields(choice.candidate),
        "alternatives": [_candidate_fields(candidate) for candidate in choice.alternatives],
    }


def _candidate_fields(candidate: Candidate) -> dict[str, Any]:
    return candidate._asdict() | {"url": brief(candidate.url)}


def _problem_fields(problem: Problem) -> dict[str, Any]:
    return problem._asdict() | {"found": without_credentials(problem.found)}


def _error_fields(failed: Failure) -> dict[str, Any]:
    return {
        "kind": failed.kind,
        "message": failed.message,
        "http_status": failed.http_status,
        "retryable": failed.retryable,
        "hint": failed.hint,
        "tried": [_error_fields(other) | {"url": other.url} for other in failed.tried],
    }


def _dump(fields: dict[str, Any]) -> str:
    # ASCII only: the encoding of the terminal or the pipe's reader is unknown.
    import json

    return json.dumps(fields, ensure_ascii=True)
