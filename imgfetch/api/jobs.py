"""Jobs: the images to fetch for the sources of a run.

source ─▶ read ─▶ choose ─▶ Job, one for each image that the source offers
"""

from __future__ import annotations

import re
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Unpack

from imgfetch.api.images import each_image
from imgfetch.api.normalize import spelled
from imgfetch.api.results import Image
from imgfetch.api.selection.choosing import (
    KEYWORDS,
    Choosing,
    choice_or_failure,
    depends_on_size,
    renditions_of,
)
from imgfetch.api.sources import Files, Offer, label, name_of, read_source, without_image
from imgfetch.engine.events import FileLeftOut, LinkedUnread
from imgfetch.errors import ImgfetchError, InputError, PolicyError, wanted_formats
from imgfetch.model.markup import Candidate, Choice, SourceKind, SourceSet
from imgfetch.model.request import NO_SOURCE_ORIGIN
from imgfetch.model.result import CacheStatus, ErrorKind, Failure, Served
from imgfetch.redaction import redacted_repr
from imgfetch.rules.http import credentials
from imgfetch.rules.http.urls import is_relative, redact, without_userinfo
from imgfetch.rules.image.choose import is_page_accepted
from imgfetch.rules.policy.retry import opted_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imgfetch.api.selection.following import Followed
    from imgfetch.api.selection.select import Observe
    from imgfetch.api.sources import Source
    from imgfetch.model.image import Hit, Lookup
    from imgfetch.model.markup import Problem, ReferrerPolicy
    from imgfetch.model.request import SourceOrigin
    from imgfetch.model.result import Page
    from imgfetch.model.values import Digest


class Job(NamedTuple):
    """One image to fetch, or the failure of a source that offers none."""

    choice: Choice | Failure
    source: str
    index: int  # type: ignore[assignment] # tuple.index is not used
    choosing: Choosing
    """How it was chosen, and how to choose from the page that may replace it."""
    sha256: Digest | None = None
    """The digest that the file must have, if the caller knows it."""
    given: Source = ""
    """The source as it was given; `source` is its label."""
    position: int = 0
    """Position of the image among those that the source offers."""
    only_first: bool = False
    """Whether the others of its source are not wanted."""
    problems: tuple[Problem, ...] = ()
    """What could not be read of the image, whether it can be chosen from or not."""
    lookup: Lookup | None = None
    """The lookup in the cache that may answer for it."""
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN
    """The origin that the caller's headers and userinfo belong to."""
    hit: Hit | None = None
    """The stored response of `lookup` that is the result, where nothing is left to decide."""
    page: str = ""
    """The document that names the image: its URL without credentials, else its file."""

    def __repr__(self) -> str:
        return redacted_repr(self, self._fields)

    @property
    def may_be_a_page(self) -> bool:
        """True for a URL, which may be that of an image or of a page of images."""
        return isinstance(self.choice, Choice) and is_page_accepted(self.choice, self.sha256)

    @property
    def is_a_url(self) -> bool:
        """True where the caller gave a bare URL."""
        return isinstance(self.choice, Choice) and self.choice.source_set.kind is SourceKind.URL

    @property
    def is_one_of_all(self) -> bool:
        """True where the caller wants every rendition, so that none is a substitute."""
        return bool(self.choosing.get("every"))

    def image_of(self, hit: Hit) -> Image:
        """Return the image that a hit is."""
        choice = self.choice
        assert isinstance(choice, Choice)  # noqa: S101 (a failure was not looked up)
        return Image(
            choice,
            choice.candidate,
            hit.entry,
            hit.path,
            CacheStatus.CACHED,
            0,
            (),
            (),
            self.source,
            self.index,
            self.position,
            self.page,
        )

    def sign(self, outcome: Served | Failure) -> Image | Failure:
        """Give an outcome the label of its source, and a failure all that a retry needs."""
        if isinstance(outcome, Served):
            return Image.of(
                outcome, source=self.source, index=self.index, position=self.position, page=self.page
            )
        return outcome._replace(
            kind=ErrorKind.TOO_SMALL if self._is_skipped_stand_in(outcome) else outcome.kind,
            source=self.source,
            index=self.index,
            position=self.position,
            given=name_of(self.given),
            choice=None if isinstance(self.choice, Failure) else self.choice,
            source_origin=self.source_origin,
            page=self.page,
        )

    def _is_skipped_stand_in(self, failed: Failure) -> bool:
        """Return True for a placeholder among all renditions: its image has another picture."""
        choice = self.choice
        if failed.kind is not ErrorKind.PLACEHOLDER or not self.is_one_of_all or isinstance(choice, Failure):
            return False
        return choice.is_stand_in(choice.candidate)


def template(choosing: Choosing) -> Job | None:
    """Return the job of a plain URL, for `job_like`; None where the choice depends on the URL."""
    if any(choosing.get(name) for name in ("base_url", "every", "formats")) or depends_on_size(choosing):
        return None
    job = next(jobs_of("http://localhost/", 0, **choosing))
    return job if isinstance(job.choice, Choice) else None


def job_like(job: Job, url: str, index: int, lookup: Lookup, hit: Hit) -> Job:
    """Return a job for `url`, a URL that is its own key, and its hit.

    `job` is a template: no source is read, nothing is chosen, and the origin is left out (see `complete`).
    """
    like = job.choice
    assert isinstance(like, Choice)  # noqa: S101 (see `template`)
    candidate = Candidate(url)
    source_set = SourceSet((candidate,), like.source_set.kind)
    return Job(
        Choice(candidate, (), like.why, like.policy, like.width, source_set),
        url if _IS_SHOWN(url) else label(url),
        index,
        job.choosing,
        given=url,
        lookup=lookup,
        hit=hit,
    )


_IS_SHOWN = re.compile(r"https?://[a-z0-9.-]+/[A-Za-z0-9._/-]*").fullmatch
"""Matches URLs that `label` returns as they are: without a query, userinfo or an escape."""


def complete(job: Job) -> Job:
    """Return the job that its source gives, where `job_like` has made `job` for a hit; else `job` itself."""
    return job if job.hit is None else next(jobs_of(job.given, job.index, **job.choosing))


def jobs(
    sources: Iterable[Source | InputError], *, observe: Observe | None = None, **choosing: Unpack[Choosing]
) -> Iterator[Job]:
    """Yield the jobs of sources as they are drawn; a source that cannot be read gives a failed job."""
    for index, source in enumerate(sources):
        yield from jobs_of(source, index, observe=observe, **choosing)


def jobs_of(
    source: Source | InputError,
    index: int,
    *,
    lookup: Lookup | None = None,
    observe: Observe | None = None,
    only_first: bool = False,
    **choosing: Unpack[Choosing],
) -> Iterator[Job]:
    """Yield a job for each wanted image of `source`; one that cannot be read or chosen from has failed.

    An `InputError` stands for a source that could not be read from its list. `observe` receives a
    `DocumentRead` at the end of a document. With `only_first`, that of a document is its main image.
    """
    if not choosing.keys() <= KEYWORDS:
        raise TypeError(f"no such keyword: {', '.join(sorted(choosing.keys() - KEYWORDS))}")
    if isinstance(source, InputError):
        yield Job(source.failed(), source.url, index, choosing)
        return
    try:
        files, asked = _files_of(source), _Asked(index, choosing, lookup, observe, only_first)
        yield from _jobs_of_one(source, asked) if files is None else _jobs_of_files(files, asked)
    except ImgfetchError as error:
        yield Job(error.failed(), label(source), index, choosing, given=source)


def _files_of(source: Source) -> Files | None:
    """Return the files of a folder or of a pattern; None for any other source. Raise `InputError`."""
    if isinstance(source, Files) or not (isinstance(source, Path) and source.is_dir()):
        return source if isinstance(source, Files) else None
    from imgfetch.api.selection.folders import documents_in  # few sources are folders

    return documents_in(source)


class _Asked(NamedTuple):
    """What is asked of a source, besides its images."""

    place: int
    """Its position among the sources of the run."""
    choosing: Choosing
    lookup: Lookup | None
    observe: Observe | None
    only_first: bool


def _jobs_of_one(source: Source, asked: _Asked) -> Iterator[Job]:
    """Yield the jobs of a source other than a folder. Raise `ImgfetchError` where it cannot be read."""
    name, choosing, observe = label(source), asked.choosing, asked.observe
    page = choosing.get("base_url", "")
    offer = read_source(source, base_url=page)
    bare = map(_without_foreign_userinfo, offer.images)
    first = [*islice(bare, None if isinstance(source, str) and not page else 1)]
    source_origin = _source_origin(source, first, choosing)
    found: Iterator[SourceSet] = chain(first, bare)
    seen_on = ""
    if offer.document is not None:
        page = offer.document.base_url
        seen_on = without_userinfo(page) or ("" if isinstance(source, str) else name)
        found = _wanted(found, offer, name, choosing, observe, only_main=asked.only_first)
    for position, source_set in enumerate(renditions_of(found, choosing)):
        yield Job(
            choice_or_failure(source_set, choosing, name, source_set.page or page),
            name,
            asked.place,
            choosing,
            given=source,
            position=position,
            problems=source_set.problems,
            lookup=asked.lookup,
            source_origin=source_origin,
            page=without_userinfo(source_set.page) or seen_on,
            only_first=asked.only_first,
        )
    document = offer.document if offer.may_load_others and not asked.only_first else None
    if observe is not None and document is not None:
        from imgfetch.api.selection.following import tell_unread

        tell_unread(document, name, choosing.get("kinds", "content"), observe)


def _jobs_of_files(files: Files, asked: _Asked) -> Iterator[Job]:
    """Yield the jobs of the documents in a folder. One without images is counted, not failed."""
    from imgfetch.api.selection.folders import documents_of, reason_without_image

    found = 0

    def leave_out(path: Path, reason: str) -> None:
        if asked.observe is not None:
            asked.observe(FileLeftOut(label(path), reason))

    for path in documents_of(files, leave_out):
        try:
            for job in _jobs_of_one(path, asked):
                found += 1
                yield job
        except ImgfetchError as error:
            if error.kind is ErrorKind.NO_IMAGE:
                leave_out(path, reason_without_image(error))
            else:
                found += 1
                yield Job(error.failed(), label(path), asked.place, asked.choosing, given=path)
    if not found:
        raise InputError(ErrorKind.NO_IMAGE, "no document with an image that is wanted", files.name)


def jobs_of_page(
    job: Job,
    page: Page,
    *,
    most: int,
    robots: str = "",
    observe: Observe | None = None,
    followed: Followed | None = None,
) -> Iterator[Job]:
    """Yield a job for each wanted image of the page that came for `job`, and of the documents that it loads.

    A page without such images is a failure: an image was expected. Of more than `most` images, the rest is
    one failed job. What the page forbids the crawler `robots` holds for its images too. `observe` receives a
    `DocumentRead` at the end of the page.
    """
    # Where a page comes, a parser for it will be loaded too.
    from imgfetch.api.selection.following import document_of
    from imgfetch.markup import referrer_policy
    from imgfetch.markup.page.html import metas
    from imgfetch.model.document import DocumentType
    from imgfetch.readers.decoded import text_of
    from imgfetch.readers.document_type import recognise
    from imgfetch.rules.crawl import opt_out

    url, document = page.head.url, document_of(page)
    recognised = recognise(document)
    is_page = recognised.type in (DocumentType.HTML, DocumentType.XHTML)
    against = opt_out.in_page(metas(text_of(document)), robots) if robots and is_page else None
    if against is not None:
        yield job._replace(choice=opted_out(against, url)._replace(attempts=1))
        return
    inside = () if followed is None else followed.documents
    found = chain.from_iterable(map(each_image, (document, *inside)))
    if observe is not None and followed is not None and followed.unread:
        observe(LinkedUnread(redact(url), followed.unread))
    first = next(found, None)
    if first is None:
        why, hint = without_image(document, recognised)
        failed = page.failed._replace(message=f"{page.failed.message}: {why}", hint=hint, attempts=1)
        yield job._replace(choice=failed)
        return
    job = job._replace(page=without_userinfo(url))
    policy = referrer_policy.of_field(page.head.get("referrer-policy") or "")
    bare = (_as_of_page(each, policy) for each in chain((first,), found))
    offer = Offer(bare, document, recognised.type, ", ".join(filter(None, recognised)))
    wanted = _wanted(bare, offer, redact(url), job.choosing, observe, only_main=job.only_first)
    try:
        for position, source_set in enumerate(renditions_of(wanted, job.choosing)):
            if position == most:
                why = f"more than {most:,} images in a page; the rest of them is left out"
                failed = PolicyError(ErrorKind.TOO_MANY_IMAGES, why, redact(url), limit="max_images").failed()
                yield job._replace(choice=failed._replace(attempts=1), position=position)
                return
            within = source_set.page
            choice = choice_or_failure(source_set, job.choosing, redact(url), within or url)
            yield job._replace(
                choice=choice,
                page=without_userinfo(within) or job.page,
                position=position,
                problems=source_set.problems,
                source_origin=page.source_origin,
            )
    except InputError as error:  # none of them is wanted
        yield job._replace(choice=error.failed()._replace(attempts=1, http_status=page.head.status))


def _as_of_page(image: SourceSet, policy: ReferrerPolicy | None) -> SourceSet:
    """Drop the userinfo that a page writes; add the policy of its response to an image that has none."""
    bare = credentials.without_userinfo(image)
    return bare._replace(referrer_policy=policy) if policy and not bare.referrer_policy else bare


def _without_foreign_userinfo(image: SourceSet) -> SourceSet:
    """Drop the userinfo that a page or a style sheet writes."""
    return image if credentials.is_written_by_caller(image) else credentials.without_userinfo(image)


def _wanted(
    found: Iterator[SourceSet],
    offer: Offer,
    name: str,
    choosing: Choosing,
    observe: Observe | None,
    *,
    only_main: bool,
) -> Iterator[SourceSet]:
    from imgfetch.api.selection.select import Wanted, select  # a URL as the source needs none
    from imgfetch.rules.image.url_patterns import patterns_of

    patterns = patterns_of(choosing.get("include", ()), choosing.get("exclude", ()))
    formats = wanted_formats(choosing.get("formats"))
    wanted = Wanted(choosing.get("kinds", "content"), patterns, formats, only_main)
    return select(found, offer, name, wanted, observe)


def _source_origin(source: Source, found: Sequence[SourceSet], choosing: Choosing) -> SourceOrigin:
    """Return the origin of a source as the caller wrote it.

    It is the origin of a URL, or of the base URL of a text; without a base, that of a srcset if all its URLs
    have one origin. `found` is all that such a srcset offers, and otherwise the first image.
    """
    base_url, of_folder = choosing.get("base_url", ""), choosing.get("base_of_folder", False)
    if len(found) == 1 and found[0].kind is SourceKind.URL:
        if of_folder and isinstance(source, str) and is_relative(source.strip()):
            return NO_SOURCE_ORIGIN
        return credentials.source_origin_of(found[0].candidates[0].url)
    if base_url:
        return NO_SOURCE_ORIGIN if of_folder else credentials.source_origin_of(spelled(base_url))
    return credentials.origin_of_all(found) if isinstance(source, str) else NO_SOURCE_ORIGIN
