from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch.xml.document import SVG, XmlLimits, XmlRead, attribute_spans
from imgfetch.xml.reader import StopReading, XmlHandler, read_xml

if TYPE_CHECKING:
    from imgfetch.xml.document import Element


class Recorder(XmlHandler):
    """Keeps the events of a document."""

    def __init__(self, last: str = "") -> None:
        self.events: list[str] = []
        self.elements: list[Element] = []
        self._last = last

    def start(self, element: Element) -> None:
        self.elements.append(element)
        self.events.append(f"<{element.name}>")
        if element.name == self._last:
            raise StopReading

    def text(self, text: str) -> None:
        self.events.append(text)

    def end(self, namespace: str, name: str) -> None:
        assert (namespace, name) in [element[:2] for element in self.elements]
        self.events.append(f"</{name}>")

    def instruction(self, target: str, data: str) -> None:
        self.events.append(f"<?{target} {data}?>")


def read(
    data: str | bytes, *, charset: str | None = None, html_entities: bool = False
) -> tuple[XmlRead, Recorder]:
    recorder = Recorder()
    return read_xml(data, recorder, charset=charset, html_entities=html_entities), recorder


def test_gives_tags_text_and_instructions_in_order() -> None:
    result, found = read(
        "<?xml version='1.0'?><a>one<b/>two<![CDATA[<three>]]> &amp;\r\n<!-- - --><?x y?></a>"
    )
    assert found.events == ["<a>", "one", "<b>", "</b>", "two<three> &\n", "<?x y?>", "</a>"]
    assert result.defect is None


def test_resolves_namespaces_of_elements_and_attributes() -> None:
    result, found = read('<s:a xmlns:s="http://s" xmlns="http://d" s:x="1" y="2"><b xml:lang="en"/></s:a>')
    outer, inner = found.elements
    assert (outer.namespace, outer.name) == ("http://s", "a")
    assert (outer.get("x", namespace="http://s"), outer.get("y"), outer.get("z", "-")) == ("1", "2", "-")
    assert inner[:2] == ("http://d", "b")
    assert inner.get("lang", namespace="http://www.w3.org/XML/1998/namespace") == "en"
    assert result.unbound_prefix == ""


def test_keeps_the_prefix_of_a_name_without_a_namespace() -> None:
    result, found = read('<rss><media:content url="a.jpg"/></rss>')
    assert found.elements[1][:2] == ("", "media:content")
    assert result.unbound_prefix == "media:content"


@pytest.mark.parametrize("text", ["<a>ünï<b x='1'/>€<b x='2'/>𝄞<b x='3'/></a>", "<a>plain<b/> and <b/></a>"])
def test_tells_positions_in_the_text(text: str) -> None:
    for data in (text, text.encode(), text.encode("utf-16")):
        result, found = read(data)
        assert result.text == text
        positions = [element.position for element in found.elements if element.name == "b"]
        assert positions == [at for at in range(len(text)) if text.startswith("<b", at)]


def test_finds_the_values_of_a_start_tag_in_the_text() -> None:
    text = """<p><img b = "1"\n c='x"y' d:e="&amp;"/></p>"""
    spans = attribute_spans(text, 3)
    assert {name: text[slice(*span)] for name, span in spans.items()} == {
        "b": "1",
        "c": 'x"y',
        "d:e": "&amp;",
    }
    assert attribute_spans(text, 0) == {}


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        ("\ufeff<a>жé</a>".encode(), "windows-1251"),  # a byte order mark prevails (RFC 7303 §3.3)
        ('<?xml version="1.0" encoding="latin1"?><a>жé</a>'.encode(), "utf-8"),  # over the declaration
        ("<a>жé</a>".encode("utf-16"), None),
        ("<a>жé</a>".encode("utf-16-le"), None),
        ("<a>жé</a>".encode("utf-16-be"), None),
        ('<?xml version="1.0" encoding="gb2312"?><a>жé</a>'.encode("gb18030"), None),
        ("<a>жé</a>".encode("gb18030"), "gbk"),
        ("<a>жé</a>".encode(), "no-such-charset"),
    ],
)
def test_decodes_as_the_document_says(data: bytes, charset: str | None) -> None:
    result, found = read(data, charset=charset)
    assert found.events[1] == "жé"
    assert not result.has_invalid_bytes


def test_says_that_bytes_were_invalid() -> None:
    assert read(b"<a>\xff</a>")[0].has_invalid_bytes
    assert read("<a>\ufffd</a>".encode() + b"\xff")[0].has_invalid_bytes
    assert not read("<a>\ufffd</a>".encode())[0].has_invalid_bytes


def test_reads_past_a_doctype_and_loads_nothing() -> None:
    text = '<!DOCTYPE a SYSTEM "http://origin.invalid/a.dtd" [<!ENTITY e SYSTEM "/etc/passwd">]><a>x&e;y</a>'
    for html_entities in (False, True):
        result, found = read(text, html_entities=html_entities)
        assert found.events == ["<a>", "xy", "</a>"]
        assert result.external == ("/etc/passwd",)
        assert result.doctype == "a"
        assert result.defect is None


def test_expands_the_entities_that_a_document_declares() -> None:
    doctype = f'<!DOCTYPE svg [<!ENTITY ns_svg "{SVG}"><!ENTITY t "a <b>c</b>">]>'
    result, found = read(f'{doctype}<svg xmlns="&ns_svg;">&t;</svg>')
    assert found.elements[0].namespace == SVG
    assert found.events == ["<svg>", "a ", "<b>", "c", "</b>", "</svg>"]
    assert result.defect is None


@pytest.mark.parametrize(
    "prolog",
    [
        "",
        "<!DOCTYPE html>",
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1-strict.dtd">',
        '<?xml version="1.0" standalone="yes"?>',
        '<!DOCTYPE html [<!ENTITY own "own">]>',
    ],
)
def test_knows_the_entities_of_html_where_asked(prolog: str) -> None:
    text = f'{prolog}<p title="&eacute;&AMP;&lt;">&nbsp;&copy;&NotEqualTilde;</p>'
    result, found = read(text, html_entities=True)
    assert result.defect is None
    assert found.elements[0].get("title") == "é&<"
    assert found.events[1] == "\xa0©≂̸"


def test_knows_no_entities_of_html_elsewhere() -> None:
    result, _ = read("<a><b/>&nbsp;</a>")
    assert result.defect is not None
    assert (result.defect.message, result.defect.position) == ("undefined entity in line 1, column 8", 7)


@pytest.mark.parametrize(
    "text", ["", "<", "<a", "<a>", "<a><b/>x", "<a>&am", "<a><![CDATA[x", "<!-- x", "<?x"]
)
def test_tells_a_cut_document_from_a_wrong_one(text: str) -> None:
    result, _ = read(text)
    assert result.defect is not None
    assert result.defect.is_cut
    wrong, _ = read(f"</b>{text}")
    assert wrong.defect is not None
    assert not wrong.defect.is_cut


def test_gives_what_stands_before_a_defect() -> None:
    result, found = read("<a><b/>text</c>")
    assert found.events == ["<a>", "<b>", "</b>", "text"]
    assert result.defect is not None
    assert result.defect.message == "mismatched tag in line 1, column 14"


def test_ends_where_the_handler_has_seen_enough() -> None:
    recorder = Recorder(last="b")
    assert read_xml("<a><b/><c>", recorder).defect is None
    assert recorder.events == ["<a>", "<b>"]


TEN = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
TEN_LATER = "".join(f'<!ENTITY l{n} "{f"&#38;l{n - 1};" * 10}">' for n in range(9, 0, -1))
LONG = "a" * 100_000
BOMBS = {
    "billion laughs": f'<!DOCTYPE l [<!ENTITY l0 "lol">{TEN}]><l>&l9;</l>',
    "in an attribute": f'<!DOCTYPE l [<!ENTITY l0 "lol">{TEN}]><l a="&l9;"/>',
    "in a default value": f'<!DOCTYPE l [<!ENTITY l0 "lol">{TEN}<!ATTLIST l a CDATA "&l9;">]><l/>',
    "declared in reverse": f'<!DOCTYPE l [{TEN_LATER}<!ENTITY l0 "lol">]><l>&l9;</l>',
    "quadratic": f'<!DOCTYPE l [<!ENTITY a "{LONG}">]><l>{"&a;" * 100_000}</l>',
    "behind a comment": f'<!DOCTYPE l [<!-- <!ENTITY x " --><!ENTITY a "{LONG}">]><l>{"&a;" * 100_000}</l>',
    "declared twice": f'<!DOCTYPE l [<!--<!ENTITY a "">--><!ENTITY a "{LONG}">]><l>{"&a;" * 100_000}</l>',
    "in itself": '<!DOCTYPE l [<!ENTITY a "&b;"><!ENTITY b "&a;">]><l>&a;</l>',
    "a long default value": f'<!DOCTYPE l [<!ATTLIST b a CDATA "{LONG}">]><l>{"<b/>" * 100_000}</l>',
    "many declarations": "<!DOCTYPE l [" + "".join(f'<!ENTITY e{n} "">' for n in range(2000)) + "]><l/>",
    "deep": "<a>" * 100_000,
    "many attributes": "<a " + " ".join(f'a{n}=""' for n in range(100_000)) + "/>",
    "many namespaces": "<l "
    + " ".join(f'xmlns:a{n}="u"' for n in range(9_000))
    + ">"
    + '<a xmlns:z="u"/>' * 50_000
    + "</l>",
}


@pytest.mark.parametrize("html_entities", [False, True])
@pytest.mark.parametrize("bomb", BOMBS)
def test_stops_at_a_bomb(bomb: str, html_entities: bool) -> None:
    result, found = read(BOMBS[bomb], html_entities=html_entities)
    assert result.defect is not None
    assert result.defect.is_limit
    delivered = sum(len(value) for element in found.elements for value in element.attributes.values())
    assert delivered < 20 * len(BOMBS[bomb]) + 2_000_000


def test_repeats_no_long_namespace_in_each_name() -> None:
    uri = "u" * 1_000_000
    result, found = read(f'<p:l xmlns:p="{uri}">{"<p:a/>" * 1_000}</p:l>')
    assert result.defect is None
    assert all(element.namespace is found.elements[0].namespace for element in found.elements)


def test_declares_nothing_by_parameter_entities() -> None:
    text = """<!DOCTYPE l [<!ENTITY % p "<!ENTITY x 'made'>"> %p;]><l>&x;</l>"""
    for html_entities in (False, True):
        assert "made" not in read(text, html_entities=html_entities)[1].events


def test_takes_other_limits() -> None:
    text = '<!DOCTYPE a [<!ENTITY e "12345">]><a>&e;&e;<b/></a>'
    assert read_xml(text, XmlHandler(), limits=XmlLimits(expansion=10, depth=2)).defect is None
    for limits in (XmlLimits(expansion=9), XmlLimits(depth=1), XmlLimits(entities=0), XmlLimits(elements=1)):
        refused = read_xml(text, XmlHandler(), limits=limits).defect
        assert refused is not None
        assert refused.is_limit


@given(st.text(alphabet='<>&;!?[]/ab="%\0\ud800é-ENTITYDOC', max_size=200))
def test_never_raises_on_any_text(text: str) -> None:
    read(text, html_entities=True)


@given(st.binary(max_size=200), st.sampled_from([None, "utf-16", "gbk", "hz-gb-2312", "x"]))
def test_never_raises_on_any_bytes(data: bytes, charset: str | None) -> None:
    read(b"<a>" + data, charset=charset)
    read(data, charset=charset, html_entities=True)
