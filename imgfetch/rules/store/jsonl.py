"""JSON lines: one object a line, written by one run and read by another (report, lock file, manifest).

    source set, options of a choice ─▶ members of an object ─▶ line ─▶ the same again │ `ValueError`

Defaults are not written, so that lines stay short, and equal values have equal lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from imgfetch.errors import wanted_formats
from imgfetch.model.image import Format
from imgfetch.model.markup import (
    Candidate,
    Original,
    Policy,
    ReferrerPolicy,
    Source,
    SourceKind,
    SourceSet,
    Viewport,
)
from imgfetch.rules.http.urls import without_userinfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum

T = TypeVar("T")
E = TypeVar("E", bound="StrEnum")


def line(members: Mapping[str, Any]) -> str:
    """Write an object as a line: members sorted, ASCII only, a line feed at its end."""
    import json

    return json.dumps(members, ensure_ascii=True, sort_keys=True) + "\n"


def members_of(text: str) -> dict[str, Any]:
    """Parse a line into the members of its object. Raises `ValueError` with a message for the user."""
    import json

    try:
        found = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{_shown(found)} where an object was expected")  # noqa: TRY004 (read, not passed)
    return found


def _refuse(name: str) -> Any:  # noqa: ANN401 (as `json` has it)
    """Refuse `NaN` and `Infinity`, which are not JSON (RFC 8259 §6), and no size of a screen."""
    raise ValueError(f"{name} is not a number")


def member(
    members: Mapping[str, Any], name: str, kind: type[T] | tuple[type[T], ...], default: T | None = None
) -> T:
    """Return a member of an object, of some type; `default` if it is absent. Raises `ValueError`."""
    value = members.get(name)
    if value is None:
        if default is None:
            raise ValueError(f"{name!r} is missing")
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name!r} is {_shown(value)}")
    return value


def may_begin(first: bytes, beginning: bytes) -> bool:
    """Return whether the first line of a file was cut, and agrees with how a file of a kind begins.

    An empty file agrees with every kind.
    """
    is_cut = not first.endswith(b"\n")
    return is_cut and (first.startswith(beginning) or beginning.startswith(first))


def may_be_report(first: bytes) -> bool:
    """Return whether a file that begins with this line may be a report of a run."""
    if may_begin(first, b'{"ask": {'):
        return True
    try:
        members = members_of(first.decode())
        member(members, "ask", dict)
        member(members, "error", dict)
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------------------------------------------
# Options of a choice


def asked(choosing: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a choice as members: those of `api.jobs.Choosing`, without credentials."""
    viewport, formats = choosing.get("viewport"), choosing.get("formats")
    wanted = wanted_formats(formats)
    policy = str(choosing.get("policy") or Policy.COVER)
    return _bare(
        {
            "width": choosing.get("width"),
            "viewport": viewport and _different(viewport, Viewport(0, 0)),
            "policy": policy if policy != Policy.COVER else None,
            "formats": None if wanted is None else sorted(map(str, wanted)),
            "kinds": _kinds(choosing.get("kinds") or "content"),
            "include": sorted(choosing.get("include") or ()) or None,
            "exclude": sorted(choosing.get("exclude") or ()) or None,
            "min_width": choosing.get("min_width"),
            "min_height": choosing.get("min_height"),
            "min_bytes": choosing.get("min_bytes"),
            "require_width": choosing.get("require_width") or None,
            "every": choosing.get("every") or None,
            "base_url": without_userinfo(choosing.get("base_url") or "") or None,
        }
    )


def choosing_of(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a choice from members. Raises `ValueError`."""
    found: dict[str, Any] = {}
    if "width" in members:
        found["width"] = member(members, "width", int)
    if "viewport" in members:
        found["viewport"] = _viewport(member(members, "viewport", dict))
    if "policy" in members:
        found["policy"] = _one_of(Policy, members["policy"])
    if "formats" in members:
        found["formats"] = frozenset(_one_of(Format, name) for name in member(members, "formats", list))
    if "kinds" in members:
        found["kinds"] = member(members, "kinds", str)
    for name in ("include", "exclude"):
        if name in members:
            found[name] = tuple(map(str, member(members, name, list)))
    for name in ("min_width", "min_height", "min_bytes"):
        if name in members:
            found[name] = member(members, name, int)
    if "require_width" in members:
        is_flag = members["require_width"] is True
        found["require_width"] = is_flag or member(members, "require_width", int)
    if "every" in members:
        found["every"] = member(members, "every", bool)
    if "base_url" in members:
        found["base_url"] = member(members, "base_url", str)
    return found


def _kinds(kinds: str | Iterable[str]) -> str | None:
    text = kinds if isinstance(kinds, str) else ",".join(kinds)
    return None if text == "content" else text


def _viewport(members: dict[str, Any]) -> Viewport:
    known = members.keys() & Viewport.__match_args__
    values: dict[str, Any] = {
        name: member(members, name, str if name == "color_scheme" else (int, float)) for name in known
    }
    try:
        return Viewport(**values)
    except TypeError as error:
        raise ValueError("'viewport' has no width or no height") from error


# ---------------------------------------------------------------------------------------------------
# Source sets


def offered(source_set: SourceSet) -> dict[str, Any]:
    """Return a source set as members: all that a choice depends on, without credentials."""
    return _bare(
        {
            "kind": str(source_set.kind),
            "sizes": source_set.sizes or None,
            "referrer_policy": source_set.referrer_policy and str(source_set.referrer_policy),
            "candidates": _candidates(source_set.candidates),
            "placeholder": without_userinfo(source_set.placeholder) if _has_stand_in(source_set) else None,
            "sources": [
                _bare(
                    {
                        "media": source.media or None,
                        "type": source.type or None,
                        "sizes": source.sizes or None,
                        "candidates": _candidates(source.candidates),
                    }
                )
                for source in source_set.sources
            ]
            or None,
        }
    )


def source_set_of(members: Mapping[str, Any]) -> SourceSet:
    """Return the source set from members. Raises `ValueError`."""
    return SourceSet(
        _read_candidates(members),
        kind=_one_of(SourceKind, members.get("kind", SourceKind.TEXT)),
        sizes=member(members, "sizes", str, ""),
        placeholder=member(members, "placeholder", str, ""),
        sources=tuple(
            Source(
                _read_candidates(source),
                media=member(source, "media", str, ""),
                type=member(source, "type", str, ""),
                sizes=member(source, "sizes", str, ""),
            )
            for source in _objects(members, "sources")
        ),
        referrer_policy=_one_of(ReferrerPolicy, members["referrer_policy"])
        if "referrer_policy" in members
        else None,
    )


def _has_stand_in(source_set: SourceSet) -> bool:
    return any(each.url == source_set.placeholder for each in source_set.candidates)


def _candidates(candidates: Iterable[Candidate]) -> list[dict[str, Any]]:
    return [
        {
            **_different(candidate, Candidate("")),
            "url": without_userinfo(candidate.url),
            **({"is_original": True} if candidate.is_original else {}),
        }
        for candidate in candidates
    ]


def _read_candidates(members: Mapping[str, Any]) -> tuple[Candidate, ...]:
    return tuple(
        (Original if member(candidate, "is_original", bool, False) else Candidate)(
            member(candidate, "url", str),
            width=member(candidate, "width", int) if "width" in candidate else None,
            height=member(candidate, "height", int) if "height" in candidate else None,
            density=member(candidate, "density", (int, float)) if "density" in candidate else None,
        )
        for candidate in _objects(members, "candidates")
    )


def _objects(members: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found: list[Any] = member(members, name, list, [])
    if not all(isinstance(each, dict) for each in found):
        raise ValueError(f"{name!r} contains something that is not an object")
    return found


def _different(value: Any, default: Any) -> dict[str, Any]:  # noqa: ANN401 (a named tuple and its like)
    """Return the fields of a value that differ from `default`; whole numbers as integers."""
    return {
        name: int(found) if isinstance(found, float) and found.is_integer() else found
        for name, found in value._asdict().items()
        if found != getattr(default, name)
    }


def _one_of(names: type[E], name: Any) -> E:  # noqa: ANN401 (as read)
    try:
        return names(name)
    except ValueError as error:
        raise ValueError(f"{_shown(name)} is not one of {', '.join(names)}") from error


def _bare(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
