"""A report as blocks, printed as text or as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from edge.cli.options import columns
from edge.locale import language

_STYLE = """\
body { font-family: system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; color: #2b2d42;
  max-width: 62rem; margin: 1.5rem auto; padding: 0 1rem; line-height: 1.45; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { border-bottom: 1px solid #e5e8eb; padding: 0.25rem 0.75rem 0.25rem 0; text-align: left; }
th { font-weight: 600; } p.strong { font-size: 1.1rem; }
.wide { overflow-x: auto; } svg { max-width: 100%; height: auto; }
@media print { body { margin: 0; } }"""


@dataclass(frozen=True, slots=True)
class Heading:
    """``depth`` 1 is the title of the whole."""

    words: str
    depth: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """``strong``: what a reader in a hurry must see."""

    words: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as long as the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG document; text shows nothing of it."""

    svg: str


Block = Heading | Paragraph | Table | Picture


def as_text(blocks: Sequence[Block]) -> str:
    """For a terminal."""
    lines: list[str] = []
    for block in blocks:
        match block:
            case Heading(words, depth):
                lines += ["", words] if depth > 1 else [words]
            case Paragraph(words):
                lines.append(words)
            case Table(head, rows):
                shown = columns([head, *rows]).splitlines()
                lines += [f"  {line}" for line in shown]
            case Picture():
                pass
    return "\n".join(lines)


def as_html(blocks: Sequence[Block], title: str) -> str:
    """For a browser, a printer, or an e-mail."""
    parts = [
        "<!doctype html>",
        f'<html lang="{"zh-CN" if language() == "zh" else "en"}"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><style>\n{_STYLE}\n</style></head><body>",
        *(_element(block) for block in blocks),
        "</body></html>",
        "",
    ]
    return "\n".join(parts)


def _element(block: Block) -> str:
    match block:
        case Heading(words, depth):
            return f"<h{depth}>{escape(words)}</h{depth}>"
        case Paragraph(words, strong):
            return f"<p{' class=strong' if strong else ''}>{escape(words)}</p>"
        case Table(head, rows):
            lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
            lines += [
                "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
                for row in rows
            ]
            return '<div class="wide"><table>\n' + "\n".join(lines) + "\n</table></div>"
        case Picture(svg):
            return svg
