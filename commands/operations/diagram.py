"""A small picture of which digest runs where, as SVG: text is text, light and dark are the reader's, no script in it.

A row is a service, a column a stack, in the order in which releases travel. What is one artifact has one colour and is
joined by a line; its digest stands there too, as nobody should need to tell colours apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from commands.previews.words import printable

_COLUMN, _GAP, _LABEL, _ROW, _HEAD, _FOOT, _EDGE = 196, 28, 128, 108, 78, 34, 20
_BOX = 90
_LONGEST = {"title": 60, "stack": 18, "version": 20, "digest": 20, "small": 30}
"""Characters that fit, by the kind of text."""
_COLOURS = (
    ("#1d4ed8", "#7aa5ff"),
    ("#0f766e", "#4fd1c0"),
    ("#b45309", "#f0b357"),
    ("#7e22ce", "#c79bff"),
    ("#be123c", "#ff8fa5"),
    ("#4d7c0f", "#a6d65c"),
)
"""One for light and one for dark a digest; each has a contrast of at least 4.5 with the box behind it."""
_STYLE = """\
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328; }
    .page { fill: #ffffff; stroke: #d1d9e0; }
    .box { fill: #f6f8fa; stroke: #d1d9e0; }
    .none { fill: none; stroke: #d1d9e0; stroke-dasharray: 4 4; }
    .title { font-size: 15px; font-weight: 600; }
    .stack { font-size: 13px; font-weight: 600; }
    .version { font-size: 14px; font-weight: 600; }
    .digest { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 12px; }
    .small { font-size: 11px; fill: #59636e; }
    .line { stroke-width: 3; fill: none; }
"""
_DARK = """\
      text { fill: #f0f6fc; }
      .page { fill: #0d1117; stroke: #3d444d; }
      .box { fill: #151b23; stroke: #3d444d; }
      .none { stroke: #3d444d; }
      .small { fill: #9198a1; }
"""


@dataclass(frozen=True)
class Cell:
    """What one stack has of one service."""

    version: str
    digest: str
    """The first digits, as many as a person compares."""
    since: str
    says: str = ""
    """What is known about it, such as `proved`."""


@dataclass(frozen=True)
class Picture:
    """What there is to show."""

    title: str
    time: str
    stacks: Sequence[str]
    services: Sequence[str]
    cells: dict[tuple[str, str], Cell]
    """By service and stack; what is not there is shown as an empty place."""


def svg(picture: Picture) -> str:
    """The picture as a document of its own."""
    digests = list(dict.fromkeys(cell.digest for _, cell in sorted(picture.cells.items())))
    colours = {digest: place % len(_COLOURS) for place, digest in enumerate(digests)}
    columns = max(1, len(picture.stacks))
    width = 2 * _EDGE + _LABEL + columns * _COLUMN + (columns - 1) * _GAP
    height = _HEAD + max(1, len(picture.services)) * _ROW + _FOOT
    said = "; ".join(
        f"{stack} has {service} {cell.version} ({cell.digest})"
        for (service, stack), cell in sorted(picture.cells.items(), key=lambda it: (it[0][1], it[0][0]))
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" aria-labelledby="title what">',
        f'  <title id="title">{escape(printable(picture.title))}</title>',
        f'  <desc id="what">{escape(printable(said) or "nothing runs yet")}</desc>',
        *_style(),
        f'  <rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10"/>',
        _text(_EDGE, 32, "title", picture.title),
        *(_text(_left(column), _HEAD - 14, "stack", name) for column, name in enumerate(picture.stacks)),
    ]
    for row, service in enumerate(picture.services):
        lines += _row(picture, row, service, colours)
    if not picture.services:
        lines.append(_text(_EDGE, _HEAD + _ROW / 2, "small", "nothing runs yet"))
    return "\n".join([*lines, _text(_EDGE, height - 14, "small", picture.time), "</svg>", ""])


def _style() -> Iterator[str]:
    yield "  <style>"
    yield _STYLE + _colours(0, "    ")
    yield "    @media (prefers-color-scheme: dark) {"
    yield _DARK + _colours(1, "      ")
    yield "    }"
    yield "  </style>"


def _colours(which: int, indent: str) -> str:
    return "\n".join(
        f"{indent}.mark{place} {{ fill: {pair[which]}; }} .line{place} {{ stroke: {pair[which]}; }}"
        for place, pair in enumerate(_COLOURS)
    )


def _left(column: int) -> int:
    return _EDGE + _LABEL + column * (_COLUMN + _GAP)


def _row(picture: Picture, row: int, service: str, colours: dict[str, int]) -> Iterator[str]:
    top = _HEAD + row * _ROW
    yield _text(_EDGE, top + _BOX / 2 + 4, "stack", service)
    for column, stack in enumerate(picture.stacks):
        left, cell = _left(column), picture.cells.get((service, stack))
        if cell is None:
            yield f'  <rect class="none" x="{left}" y="{top}" width="{_COLUMN}" height="{_BOX}" rx="6"/>'
            continue
        before = picture.cells.get((service, picture.stacks[column - 1])) if column else None
        if before and before.digest == cell.digest:
            path = f"M {left - _GAP} {top + _BOX // 2} H {left}"
            yield f'  <path class="line line{colours[cell.digest]}" d="{path}"/>'
        yield f'  <rect class="box" x="{left}" y="{top}" width="{_COLUMN}" height="{_BOX}" rx="6"/>'
        yield f'  <rect class="mark{colours[cell.digest]}" x="{left}" y="{top}" width="6" height="{_BOX}" rx="3"/>'
        yield _text(left + 18, top + 22, "version", cell.version)
        yield _text(left + 18, top + 41, "digest", cell.digest)
        yield _text(left + 18, top + 60, "small", cell.since)
        yield _text(left + 18, top + 77, "small", cell.says)


def _text(x: float, y: float, kind: str, text: str) -> str:
    text, limit = printable(text), _LONGEST[kind]
    shown = text if len(text) <= limit else f"{text[: limit - 1]}…"
    whole = "" if shown == text else f"<title>{escape(text)}</title>"
    return f'  <text class="{kind}" x="{x:g}" y="{y:g}">{whole}{escape(shown)}</text>'
