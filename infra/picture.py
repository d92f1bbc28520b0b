"""Draws the dashboard as it would look: infra/dashboard.json with the made-up hour of infra/sample.py, as SVG.

    python -m infra.picture

The picture is committed and a test draws it anew, so it cannot fall behind the definition. Text has no measure without
a font, so its width is guessed generously from the number of its letters.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from infra.sample import MINUTES, RINGING, series

HERE: Final = Path(__file__).resolve().parent
DEFINITION: Final = HERE / "dashboard.json"
PICTURE: Final = HERE / "dashboard.svg"

WIDTH, MARGIN, TOP = 1600, 20, 62
COLUMN: Final = (WIDTH - 2 * MARGIN) / 24
ROW: Final = 46
LETTER: Final = 0.58  # of the size of the type, a little more than the mean letter of the usual fonts is wide
INK, FAINT, GRID, PAPER, GROUND = "#16191f", "#545b64", "#e4e7ea", "#ffffff", "#f3f4f5"
WELL, BAD = "#009E73", "#D55E00"  # told apart by colour-blind readers, and by their words
STYLE: Final = (
    "text{font-family:Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif}"
    ".line{fill:none;stroke-width:1.7;stroke-linejoin:round}"
)

Widget = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the page, in pixels."""

    x: float
    y: float
    width: float
    height: float

    def within(self, *, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Box:
        """What is left of it inside these margins."""
        return Box(self.x + left, self.y + top, self.width - left - right, self.height - top - bottom)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A series of a chart, a value for each minute."""

    label: str
    color: str
    dashed: bool
    values: list[float]


def draw(dashboard: dict[str, Any]) -> str:
    """The whole picture."""
    widgets: list[Widget] = dashboard["widgets"]
    height = TOP + ROW * max(widget["y"] + widget["height"] for widget in widgets) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<style>{STYLE}</style>",
        _rectangle(Box(0, 0, WIDTH, height), fill=GROUND),
        _text(MARGIN + 4, 30, "Belltower", size=20, bold=True),
        _text(MARGIN + 4, 50, "The dashboard with made-up data: an hour in which one tenant's receivers hang."),
        *(part for widget in widgets for part in _widget(widget)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _widget(widget: Widget) -> list[str]:
    box = Box(
        MARGIN + COLUMN * widget["x"], TOP + ROW * widget["y"], COLUMN * widget["width"], ROW * widget["height"]
    ).within(left=4, top=4, right=4, bottom=4)
    properties = widget["properties"]
    match widget["type"], properties.get("view"):
        case "text", _:
            return _header(box, properties["markdown"])
        case "alarm", _:
            return [*_frame(box, properties["title"]), *_alarms(box, properties["alarms"])]
        case "metric", "singleValue":
            return [*_frame(box, properties["title"]), *_number(box, _lines(properties))]
        case _:
            return [*_frame(box, properties["title"]), *_chart(box, _lines(properties), properties)]


# --- what is shown ----------------------------------------------------------------------------------------------------


def _lines(properties: Widget) -> list[Line]:
    shown = [entry for entry in properties["metrics"] if entry[-1].get("visible", True)]
    return [
        Line(
            label=entry[-1]["label"],
            color=entry[-1]["color"],
            dashed=entry[-1].get("expression", "").startswith("TIME_SERIES"),
            values=series(key_of(entry)),
        )
        for entry in shown
    ]


def key_of(entry: list[Any]) -> str:
    """What the sample calls a metric: its name, what it is told apart by, its own statistic; an expression's id."""
    *metric, options = entry
    if not metric:
        return str(options["id"])
    _, name, *dimensions = metric
    last = str(dimensions[-1]).strip("${}").removesuffix(".QueueName")
    return " ".join(filter(None, (str(name), last if last != "Stage" else "", options.get("stat", ""))))


# --- widgets ----------------------------------------------------------------------------------------------------------


def _header(box: Box, markdown: str) -> list[str]:
    _, title, sentence = markdown.split("**", 2)
    return [
        _text(box.x, box.y + 17, title, size=15, bold=True),
        _text(box.x, box.y + 34, sentence.strip(), size=12, fill=FAINT),
    ]


def _frame(box: Box, title: str) -> list[str]:
    return [
        _rectangle(box, fill=PAPER, stroke=GRID, round_by=4),
        _text(box.x + 12, box.y + 21, title, size=13, bold=True),
    ]


def _number(box: Box, lines: list[Line]) -> list[str]:
    (line,) = lines
    middle = box.x + box.width / 2
    value = line.values[-1]
    base = box.y + box.height - 24
    return [
        _text(middle, box.y + 128, _short(value), size=72, bold=True, fill=BAD if value else WELL, anchor="middle"),
        *(
            _text(middle, box.y + 160 + 17 * row, words, fill=FAINT, anchor="middle")
            for row, words in enumerate(_wrapped(line.label, box.width - 20))
        ),
        _path(f"M{_n(box.x + 16)} {_n(base)}H{_n(box.x + box.width - 16)}", line),
    ]


def _alarms(box: Box, arns: list[str]) -> list[str]:
    inside, half = box.within(left=12, top=34, right=12, bottom=10), math.ceil(len(arns) / 2)
    height = inside.height / half
    parts = []
    for place, arn in enumerate(arns):
        name = arn.rpartition("-")[2]
        rings = name in RINGING
        x = inside.x + (place // half) * inside.width / 2
        y = inside.y + (place % half) * height
        cell = Box(x, y, inside.width / 2 - 6, height - 4)
        state, color = ("ALARM", BAD) if rings else ("OK", WELL)
        parts += [
            _rectangle(cell, fill="#fbe9dd" if rings else "#eef7f4", round_by=3),
            _rectangle(Box(x, y, 4, cell.height), fill=color),
            _text(x + 12, y + cell.height / 2 + 4, name, size=11.5, bold=rings),
            _text(x + cell.width - 8, y + cell.height / 2 + 4, state, size=10.5, bold=True, fill=color, anchor="end"),
        ]
    return parts


def _chart(box: Box, lines: list[Line], properties: Widget) -> list[str]:
    rows = _legend(lines, box.width - 24)
    plot = box.within(left=52, top=50, right=24, bottom=30 + 17 * len(rows))
    shown = _stacked(lines) if properties["stacked"] else lines
    steps = _ticks(max(max(line.values) for line in shown))
    parts = [_text(box.x + 12, box.y + 39, properties["yAxis"]["left"]["label"], size=10.5, fill=FAINT)]
    parts += _axes(plot, steps)
    if properties["stacked"]:
        parts += [_area(plot, line, steps[-1]) for line in reversed(shown)]
    parts += [_path(_through(plot, line.values, steps[-1]), line) for line in shown]
    for number, row in enumerate(rows):
        y = box.y + box.height - 10 - 17 * (len(rows) - 1 - number)
        for x, line in row:
            mark = f"M{_n(box.x + 12 + x)} {_n(y - 4)}h14"
            parts += [_path(mark, line), _text(box.x + 31 + x, y, line.label, size=11, fill=FAINT)]
    return parts


# --- parts of a chart -------------------------------------------------------------------------------------------------


def _stacked(lines: list[Line]) -> list[Line]:
    """Each line on top of those before it."""
    below, stacked = [0.0] * MINUTES, []
    for line in lines:
        below = [low + value for low, value in zip(below, line.values, strict=True)]
        stacked.append(Line(label=line.label, color=line.color, dashed=line.dashed, values=below))
    return stacked


def _ticks(most: float) -> list[float]:
    """Round values from 0 to above `most`, four or five of them; 0 and 1 where nothing happened."""
    if most == 0:
        return [0, 1]
    rough = most / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return [step * number for number in range(math.floor(most / step) + 2)]


def _axes(plot: Box, steps: list[float]) -> list[str]:
    parts = []
    for step in steps:
        y = _height(plot, step, steps[-1])
        parts += [
            f'<path d="M{_n(plot.x)} {_n(y)}h{_n(plot.width)}" stroke="{GRID}"/>',
            _text(plot.x - 7, y + 4, _short(step), size=10.5, fill=FAINT, anchor="end"),
        ]
    for minute in range(0, MINUTES + 1, 15):
        x = plot.x + plot.width * minute / MINUTES
        time = f"{9 + minute // 60:02}:{minute % 60:02}"
        parts.append(_text(x, plot.y + plot.height + 16, time, size=10.5, fill=FAINT, anchor="middle"))
    return parts


def _legend(lines: list[Line], width: float) -> list[list[tuple[float, Line]]]:
    """The lines in rows, each with the place where its mark begins."""
    rows: list[list[tuple[float, Line]]] = [[]]
    x = 0.0
    for line in lines:
        needed = 19 + _width(line.label, 11)
        if rows[-1] and x + needed > width:
            rows.append([])
            x = 0
        rows[-1].append((x, line))
        x += needed + 14
    return rows


def _area(plot: Box, line: Line, top: float) -> str:
    floor = _n(plot.y + plot.height)
    path = f"{_through(plot, line.values, top)}V{floor}H{_n(plot.x)}Z"
    return f'<path d="{path}" fill="{PAPER}"/><path d="{path}" fill="{line.color}" fill-opacity="0.35"/>'


def _through(plot: Box, values: list[float], top: float) -> str:
    step = plot.width / (MINUTES - 1)
    points = (f"{_n(plot.x + step * place)} {_n(_height(plot, value, top))}" for place, value in enumerate(values))
    return "M" + "L".join(points)


def _height(plot: Box, value: float, top: float) -> float:
    return plot.y + plot.height * (1 - value / top)


# --- SVG --------------------------------------------------------------------------------------------------------------


def _path(path: str, line: Line) -> str:
    dashes = ' stroke-dasharray="6 4"' if line.dashed else ""
    return f'<path class="line" d="{path}" stroke="{line.color}"{dashes}/>'


def _rectangle(box: Box, *, fill: str, stroke: str = "none", round_by: float = 0) -> str:
    place = f'x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}"'
    return f'<rect {place} rx="{_n(round_by)}" fill="{fill}" stroke="{stroke}"/>'


def _text(
    x: float, y: float, words: str, *, size: float = 13, bold: bool = False, fill: str = INK, anchor: str = "start"
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill={quoteattr(fill)} text-anchor="{anchor}"'
    return f"<text {place}{weight}>{escape(words)}</text>"


def _wrapped(words: str, width: float) -> list[str]:
    rows = [""]
    for word in words.split():
        longer = f"{rows[-1]} {word}".strip()
        if _width(longer, 13) <= width:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows


def _width(words: str, size: float) -> float:
    return LETTER * size * len(words)


def _short(value: float) -> str:
    if value >= 1_000_000:  # noqa: PLR2004 - what M stands for
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"  # noqa: PLR2004 - what k stands for


def _n(value: float) -> str:
    """A coordinate: a tenth of a pixel is fine enough."""
    return f"{round(value, 1):g}"


if __name__ == "__main__":
    PICTURE.write_text(draw(json.loads(DEFINITION.read_text())))
