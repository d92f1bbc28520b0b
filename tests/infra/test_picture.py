"""The committed picture is what the definition renders to, and can be read."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

from infra.package import resources
from infra.picture import DEFINITION, LETTER, PICTURE, draw, key_of
from infra.sample import RINGING, SHAPES, series

DASHBOARD: Final[dict[str, Any]] = json.loads(DEFINITION.read_text())
SVG: Final = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, kw_only=True)
class Text:
    """Where a text stands, by the guess the picture is laid out with."""

    words: str
    left: float
    right: float
    top: float
    bottom: float

    def touches(self, other: Text) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def _texts(picture: ET.Element) -> list[Text]:
    return [_placed(element) for element in picture.iter(f"{SVG}text")]


def _placed(element: ET.Element) -> Text:
    words, size = element.text or "", float(element.attrib["font-size"])
    width, base = LETTER * size * len(words), float(element.attrib["y"])
    left = float(element.attrib["x"]) - width * {"start": 0, "middle": 0.5, "end": 1}[element.attrib["text-anchor"]]
    return Text(words=words, left=left, right=left + width, top=base - 0.75 * size, bottom=base + 0.2 * size)


def test_the_committed_picture_is_up_to_date() -> None:
    assert PICTURE.read_text() == draw(DASHBOARD), "draw it anew: python -m infra.picture"


def test_no_text_covers_another_or_leaves_the_page() -> None:
    picture = ET.fromstring(PICTURE.read_text())  # noqa: S314 - our own file
    texts = _texts(picture)
    assert len(texts) > 300
    pairs = itertools.combinations(texts, 2)
    assert [(one.words, other.words) for one, other in pairs if one.touches(other)] == []
    assert [text.words for text in texts if text.left < 0 or text.right > float(picture.attrib["width"])] == []


def test_the_sample_has_all_that_is_shown_and_nothing_else() -> None:
    entries = [entry for widget in DASHBOARD["widgets"] for entry in widget["properties"].get("metrics", [])]
    assert {key_of(entry) for entry in entries if entry[-1].get("visible", True)} == set(SHAPES)


def test_the_sample_tells_its_story() -> None:
    assert set(series("Overdue")) == {0}
    late = series("Late p99")
    target = float(resources()["Parameters"]["LateTarget"]["Default"])
    assert set(series("target")) == {target}
    assert max(late[:40]) < target
    assert {name for name in RINGING if sum(value > target for value in late[-5:]) >= 3} == {"FiringsLate"}
