"""The URLs in a string of data: one, a list as in a cell of a table, or a `data:` URL of the image itself.

string, its name, its StringType ─▶ URLs
"""

from __future__ import annotations

from imgfetch.readers.rows.cells import images_of
from imgfetch.readers.strings import StringType, data_url_of, is_image_url, says_image


def urls_in(text: str, name: str, found: StringType | None) -> tuple[str, ...]:
    """Return the URLs of images in a string of the type `found`; nothing of one with another type.

    A list counts where each part is the URL of an image: `a.jpg, b.jpg` under `additional_image_link`.
    """
    if found is StringType.BASE64:
        return (data_url_of(text),)
    if found is StringType.URL or (found is None and says_image(name)):
        listed = images_of(text)
        if all(is_image_url(each, name) for each in listed):
            return listed
    return (text.strip(),) if found is StringType.URL else ()
