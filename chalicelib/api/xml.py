"""Small XML documents: one root, and children that hold text. Source: seeds/002 "Example Documents".

Read by expat itself: a document type is refused where it opens, so there are no entities to expand and nothing outside
to fetch, and what is deeper than two levels ends the reading where it begins. defusedxml builds a tree of any depth
first, and would be one more thing to ship. Attributes, comments and elements that nobody asked for are passed over.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Never
from xml.parsers import expat

from chalicelib.scheduling.errors import Invalid

UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LEVELS = 2
ENCODINGS = ("utf-8", "us-ascii", "iso-8859-1", "utf-16")  # expat's own; any other would be a codec of Python's
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})  # parsers read a bare \r as \n


def read(document: bytes, *, root: str, encoding: str | None = None) -> Mapping[str, str]:
    """The texts of the root's children by name, as written. Raises Invalid for what is no such document.

    `encoding` is what the request said; without it the document's own declaration counts.
    """
    reader = _Reader(root)
    try:
        parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.XmlDeclHandler = _check_encoding
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = reader.start
        parser.EndElementHandler = reader.end
        parser.CharacterDataHandler = reader.text
        parser.Parse(document, True)  # noqa: FBT003 - expat's signature: this is all of it
    except (expat.ExpatError, ValueError, LookupError):  # the last two: an encoding that is none, or not for XML
        raise Invalid("", "The body is not valid XML") from None
    return reader.texts


def written(root: str, children: Iterable[tuple[str, str]]) -> str:
    """The document, in ASCII. What XML cannot say becomes U+FFFD, so that whatever is given, the result parses."""
    lines = [f"  <{name}>{_escaped(text)}</{name}>\n" for name, text in children]
    return f"<{root}>\n{''.join(lines)}</{root}>" if lines else f"<{root}/>"


def element(name: str, text: str) -> str:
    """One element, likewise."""
    return f"<{name}>{_escaped(text)}</{name}>"


def can_say(text: str) -> bool:
    """Whether a text has only characters that XML 1.0 has: no control characters but tab and line ends."""
    return not UNSPEAKABLE.search(text)


class _Reader:
    """What was read so far: `path` of the elements that are open, the texts of the root's children."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._path: list[str] = []
        self.texts: dict[str, str] = {}

    def start(self, name: str, _attributes: Mapping[str, str]) -> None:
        if not self._path and name != self._root:
            raise Invalid("", f"The XML must have the root <{self._root}>")
        if len(self._path) == LEVELS:
            raise Invalid("", "The XML has an element where only text may be")
        if self._path and name in self.texts:
            raise Invalid("", "A field is given twice")
        if self._path:
            self.texts[name] = ""
        self._path.append(name)

    def end(self, _name: str) -> None:
        self._path.pop()

    def text(self, text: str) -> None:
        if len(self._path) == LEVELS:
            self.texts[self._path[-1]] += text
        elif text.strip():
            raise Invalid("", "The XML has text where only elements may be")


def _check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding and encoding.lower() not in ENCODINGS:
        raise Invalid("", f"The XML must be in one of {', '.join(ENCODINGS)}")


def _refuse_doctype(*_declared: object) -> Never:
    raise Invalid("", "The XML must not have a document type")


def _escaped(text: str) -> str:
    plain = UNSPEAKABLE.sub("\ufffd", text).translate(ESCAPES)
    return plain.encode("ascii", "xmlcharrefreplace").decode()
