"""Make one choice of the icons of a document: they are one sign in several sizes.

icon 16w · icon 180w · manifest 512w ─▶ one source set, at the end of the document
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.markup import SourceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.model.markup import SourceSet
    from imgfetch.rules.image.kinds import LeftOut


def icons_as_one(
    judged: Iterable[tuple[SourceSet, LeftOut | None]],
) -> Iterator[tuple[SourceSet, LeftOut | None]]:
    """Yield the images of a document, its wanted icons as one at the end, if one of them states its size.

    Icons with different texts (`alt`), such as those of the shortcuts of an app, are different signs.
    """
    icons: dict[str, list[SourceSet]] = {}
    for image, reason in judged:
        if image.kind is SourceKind.ICON and reason is None and not image.embedded:
            icons.setdefault(image.alt, []).append(image)
        else:
            yield image, reason
    for each in icons.values():
        yield from ((icon, None) for icon in _as_one(each))


def _as_one(icons: list[SourceSet]) -> Iterator[SourceSet]:
    """Yield one image for the icons of one sign; candidates without a size come behind the others.

    Icons of which none states a size stay as they are: which of them is the larger one cannot be known.
    """
    candidates = list(dict.fromkeys(candidate for icon in icons for candidate in icon.candidates))
    sized = [each for each in candidates if each.width is not None]
    if not sized or len(icons) == 1:
        yield from icons
        return
    others = [each for each in candidates if each.width is None]
    problems = tuple(problem for icon in icons for problem in icon.problems)
    yield icons[0]._replace(candidates=(*sized, *others), problems=problems)
