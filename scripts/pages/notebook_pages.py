"""A page for each notebook, with the outputs that are stored in it."""

import base64
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from written_page import WrittenPage


class Notebook(NamedTuple):
    """A notebook as a page, and its pictures: the content of each by its path below docs/."""

    page: WrittenPage
    pictures: dict[str, bytes]


def notebook(path: Path) -> Notebook:
    """Cells of text as they stand, code and what it printed as blocks, tables and pictures as such.

    Args:
        path: A notebook of format 4.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            parts.append(_block("python", source))
            for output in cell["outputs"]:
                name = f"{path.stem}_{len(pictures)}.png"
                shown, picture = _shown(output, name)
                parts.append(shown)
                if picture is not None:
                    pictures[f"notebooks/{name}"] = picture
    title = next((line[2:] for part in parts for line in part.splitlines() if line.startswith("# ")), path.stem)
    text = "\n\n".join(filter(None, parts)) + "\n"
    return Notebook(WrittenPage(title.partition(":")[0], f"notebooks/{path.stem}.md", text), pictures)


def _shown(output: dict[str, Any], name: str) -> tuple[str, bytes | None]:
    """An output in Markdown, and its picture, which has that name, where it is one."""
    if output["output_type"] == "stream":
        return _block("text", "".join(output["text"])), None
    data = {kind: "".join(content) for kind, content in output.get("data", {}).items() if kind != "application/json"}
    if "image/png" in data:
        return f"![The picture that this code draws]({name})", base64.b64decode(data["image/png"])
    if "text/html" in data:
        # A frame's own style sheet and class would stand in the way of the page's.
        table = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
        return re.sub(r"\n\s*\n", "\n", table.replace(' border="1" class="dataframe"', "")).strip(), None
    if output["output_type"] == "error":
        return _block("text", f"{output['ename']}: {output['evalue']}"), None
    return _block("text", data.get("text/plain", "")), None


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```" if text.strip() else ""
