"""Gives an image the fields of a name template, and the template of the options to the copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import InputError
from imgfetch.model.markup import SourceKind
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http import urls
from imgfetch.rules.image import name_template
from imgfetch.rules.image.safe_names import place_name, stem_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from imgfetch.api.results import Image
    from imgfetch.outputs.copies import Copies


def copies_of(options: argparse.Namespace) -> Copies | None:
    """Return the copies that the options ask for; None without a folder for them.

    Raise `InputError`. Without a folder, a name that a variable or a file sets has no effect.
    """
    template: name_template.NameTemplate | None = options.name
    if options.directory is None:
        about_copies = {"name": template is not None, "link": options.link}
        wrong = [
            name for name, is_set in about_copies.items() if is_set and name not in options.set_elsewhere
        ]
        if wrong:
            raise InputError(ErrorKind.BAD_INPUT, f"--{wrong[0]} goes with -d DIR: it is about copies")
        return None
    if template is not None and template.columns and options.command != "batch":
        fields = ", ".join(name_template.FIELDS)
        why = f"--name has no field {template.columns[0]}; it has {fields}, and in batch the columns"
        raise InputError(ErrorKind.BAD_INPUT, why)
    from imgfetch.outputs.copies import Copies

    return Copies(options.directory, template or name_template.DEFAULT, link=options.link)


def fields_of(image: Image, own: Mapping[str, str | int]) -> dict[str, str | int]:
    """Return the fields of an image; `own` are those of its row, which go before all others but the fixed.

    `index` counts the images of a page or a text, and otherwise the sources; all numbers begin at 1.
    """
    is_listed = image.choice.source_set.kind is SourceKind.URL
    stem = stem_of(image.url)
    return {
        "name": stem,
        **own,
        "source": place_name(image.source),
        "page": place_name(image.page or image.choice.page or image.source),
        "host": urls.origin(image.url).partition("://")[2].partition(":")[0],
        "stem": stem,
        "row": image.index + 1,
        "position": image.position + 1,
        "index": image.index + 1 if is_listed else image.position + 1,
        "width": image.width,
        "height": image.height,
        "format": image.format,
        "sha256": image.sha256,
        "alt": image.choice.source_set.alt,
    }
