"""T26 and T27: XML in is small and harmless, XML out parses whatever is in it."""

import contextlib
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api import xml
from chalicelib.scheduling.errors import Invalid

LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))


def read(text: str | bytes) -> dict[str, str]:
    return dict(xml.read(text.encode() if isinstance(text, str) else text, root="job"))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param("<job><url>a</url><cron>b</cron></job>", {"url": "a", "cron": "b"}, id="two fields"),
        pytest.param("<job/>", {}, id="no field"),
        pytest.param("<job>\n  <url> a </url>\n</job>\n", {"url": " a "}, id="white space is kept inside"),
        pytest.param("<job><data/></job>", {"data": ""}, id="an empty element"),
        pytest.param("<job><data>&lt;&amp;&gt;&#228;&#x1F600;</data></job>", {"data": "<&>ä😀"}, id="references"),
        pytest.param("<job><data>a<![CDATA[<b>&]]>c</data></job>", {"data": "a<b>&c"}, id="CDATA is text"),
        pytest.param("<job><!-- x --><data>a<!-- y -->b<?pi z?></data></job>", {"data": "ab"}, id="comments"),
        pytest.param('<job a="1"><url b="2">c</url></job>', {"url": "c"}, id="attributes are passed over"),
        pytest.param('<job xmlns="urn:x"><url>c</url></job>', {"url": "c"}, id="a default namespace too"),
        pytest.param("<job><other>1</other></job>", {"other": "1"}, id="an element that nobody knows"),
        pytest.param('<?xml version="1.0"?><job><url>é</url></job>', {"url": "é"}, id="a declaration"),
        pytest.param('<?xml version="1.1"?><job><url>a</url></job>', {"url": "a"}, id="XML 1.1, read as 1.0"),
        pytest.param(
            '<?xml version="1.0" encoding="ISO-8859-1"?><job><url>é</url></job>'.encode("latin-1"),
            {"url": "é"},
            id="Latin-1 that says so",
        ),
        pytest.param("<job><url>é</url></job>".encode("utf-16"), {"url": "é"}, id="UTF-16 with its mark"),
        pytest.param("\ufeff<job><url>é</url></job>", {"url": "é"}, id="UTF-8 with a mark"),
        pytest.param("<job><data>a\r\nb&#13;</data></job>", {"data": "a\nb\r"}, id="line ends are XML's"),
    ],
)
def test_t26_what_is_read(document: str | bytes, expected: dict[str, str]) -> None:
    assert read(document) == expected


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(f'<!DOCTYPE job [<!ENTITY a0 "ha">{LAUGHS}]><job><url>&a9;</url></job>', id="billion laughs"),
        pytest.param(
            f'<!DOCTYPE job [<!ENTITY a "{"x" * 50000}">]><job><url>{"&a;" * 50000}</url></job>', id="quadratic"
        ),
        pytest.param('<!DOCTYPE job [<!ENTITY x SYSTEM "file:///etc/passwd">]><job><url>&x;</url></job>', id="XXE"),
        pytest.param('<!DOCTYPE job SYSTEM "http://a.example/x.dtd"><job/>', id="an external DTD"),
        pytest.param('<!DOCTYPE job [<!ENTITY % p SYSTEM "http://a.example/">%p;]><job/>', id="a parameter entity"),
        pytest.param("<!DOCTYPE job><job/>", id="a bare document type"),
        pytest.param("<job><url>&nbsp;</url></job>", id="an entity that is not XML's"),
        pytest.param('<?xml version="1.0" encoding="utf-7"?><job/>', id="UTF-7"),
        pytest.param('<?xml version="1.0" encoding="unicode_escape"?><job/>', id="a codec that is no charset"),
        pytest.param('<?xml version="1.0" encoding="no-such"?><job/>', id="an encoding that is none"),
        pytest.param('<?xml version="1.0" encoding="utf-16"?><job/>', id="UTF-16 that is not"),
        pytest.param(b"<job><url>\xe9</url></job>", id="Latin-1 that does not say so"),
        pytest.param("<job><url>a\0b</url></job>", id="NUL"),
        pytest.param("<job><url>&#x1;</url></job>", id="a reference to a control character"),
        pytest.param("<job><url>&#xD800;</url></job>", id="half a surrogate"),
        pytest.param("<job><url>\x01</url></job>", id="a control character"),
        pytest.param("<job/><job/>", id="two roots"),
        pytest.param("<jobs/>", id="another root"),
        pytest.param('<x:job xmlns:x="urn:x"/>', id="a root with a prefix"),
        pytest.param("<JOB/>", id="a root in capitals"),
        pytest.param("<job><url>a</url><url>b</url></job>", id="a field twice"),
        pytest.param("<job><url><b>a</b></url></job>", id="an element in a field"),
        pytest.param("<job><job><url>a</url></job></job>", id="a job in a job"),
        pytest.param("<job>text<url>a</url></job>", id="text beside the fields"),
        pytest.param("<job><url>a</url>", id="cut off"),
        pytest.param('<job a="1" a="2"/>', id="an attribute twice"),
        pytest.param("", id="nothing"),
        pytest.param("   ", id="white space"),
        pytest.param('{"url": "a"}', id="JSON"),
        pytest.param("<a>" * 100_000, id="100,000 levels of another root"),
        pytest.param("<job>" * 100_000, id="100,000 levels"),
        pytest.param("<job " + " ".join(f'a{n}="1"' for n in range(50_000)) + "><b><c/></b></job>", id="attributes"),
    ],
)
def test_t26_what_is_refused(document: str | bytes) -> None:
    with pytest.raises(Invalid):
        read(document)


def test_the_encoding_of_the_request_goes_before_that_of_the_document() -> None:
    document = '<?xml version="1.0" encoding="ISO-8859-1"?><job><url>é</url></job>'.encode()
    assert dict(xml.read(document, root="job", encoding="utf-8")) == {"url": "é"}


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ([], "<job/>"),
        ([("id", "1")], "<job>\n  <id>1</id>\n</job>"),
        ([("data", "<a> & é\r\n")], "<job>\n  <data>&lt;a&gt; &amp; &#233;&#13;\n</data>\n</job>"),
        ([("data", "a\x01\ud800b")], "<job>\n  <data>a&#65533;&#65533;b</data>\n</job>"),
    ],
)
def test_what_is_written(children: list[tuple[str, str]], expected: str) -> None:
    assert xml.written("job", children) == expected


@given(st.text())
def test_t27_what_xml_can_say_comes_back(text: str) -> None:
    document = xml.written("job", [("data", text)])
    [child] = ET.fromstring(document)  # noqa: S314 - our own
    if xml.can_say(text):
        assert (child.text or "", read(document)["data"]) == (text, text)


@given(st.binary(max_size=200) | st.text(alphabet='<>/!&;#x1jobul"=[] \x00', max_size=60).map(str.encode))
def test_t26_no_bytes_make_it_fail_otherwise(document: bytes) -> None:
    with contextlib.suppress(Invalid):
        assert isinstance(xml.read(document, root="job"), dict)
