"""The report as GitHub Markdown: text and tables, without pictures."""

import re

from recast.report.document import Block, Document, Items, Picture, Row, Table, Text

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$&])")
MARKS = {"best": "**{}**", "baseline": "*{}*", "worse": "{}", "absent": "{}", "": "{}"}


def render(document: Document) -> str:
    """The report as Markdown, with all text escaped."""
    parts = [f"# {escape(document.title)}", *map(_block, document.summary)]
    for section in document.sections:
        parts += [f"## {escape(section.title)}", *map(_block, section.blocks)]
    parts.append(escape(document.footer))
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """Text escaped to appear literally in Markdown, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def _block(block: Block) -> str:
    if isinstance(block, Text):
        words = escape(block.words)
        return f"**{words}**" if block.kind == "warning" else words
    if isinstance(block, Items):
        return "\n".join(f"- {escape(line)}" for line in block.lines)
    if isinstance(block, Picture):
        return f"*{escape(block.title)}* (picture in report.html). {escape(block.alt)}."
    return _table(block)


def _table(table: Table) -> str:
    head = "| " + " | ".join(escape(name) for name in table.head) + " |"
    rule = "|" + "|".join(":---" if index < table.words else "---:" for index in range(len(table.head))) + "|"
    lines = [f"**{escape(table.title)}**", "", head, rule, *map(_row, table.rows)]
    if table.note:
        lines += ["", escape(table.note)]
    return "\n".join(lines)


def _row(row: Row) -> str:
    cells = [escape(cell) for cell in row.cells]
    if cells[0]:
        cells[0] = MARKS[row.mark].format(cells[0])
    return "| " + " | ".join(cells) + " |"
