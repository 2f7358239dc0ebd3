"""The notebooks: what is kept beside their cells comes from these, and executing them again gives the like."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import notebooks

PATHS = sorted(notebooks.FOLDER.glob("*.ipynb"))
MOST_BYTES = 400_000
ABSOLUTE = re.compile(r"(?<![\w.)/])/(?:home|root|tmp|usr|var|opt|work|mnt|Users)/|\b[A-Z]:\\")
"""What begins a path of somebody's machine."""
each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def texts(notebook):
    """All text that its outputs show."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            shown = [output["text"]] if output.output_type == "stream" else output.data.values()
            yield from (str(text) for text in shown)


def kinds(notebook):
    """The kinds of outputs of each cell: names of streams, types of data."""
    return [
        [output.get("name") or sorted(output.data) for output in cell.get("outputs", ())] for cell in notebook.cells
    ]


def problems(notebook):
    """What an executed notebook may not show."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                yield f"cell {number}: {output.ename}: {output.evalue}"
            if output.output_type == "stream" and output.name == "stderr":
                yield f"cell {number} warns: {output.text}"
    if any(output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", ())):
        return
    for text in texts(notebook):
        for sign, what in ((ABSOLUTE, "a path of this machine"), (re.compile(r"\x1b|\r"), "a bar of a terminal")):
            if found := sign.search(text):
                yield f"{what}: {text[max(0, found.start() - 40) : found.end() + 40]!r}"
    if not any("image/png" in output.get("data", ()) for cell in notebook.cells for output in cell.get("outputs", ())):
        yield "no picture"


def test_there_are_eight():
    assert len(PATHS) == 8


@each
def test_what_is_kept_is_complete_and_comes_from_these_cells(path):
    notebook = notebooks.read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.get("recast", {}).get("code") == notebooks.code_hash(notebook), (
        f"cells were changed after their outputs were made; python scripts/notebooks.py notebooks/{path.name}"
    )
    assert list(problems(notebook)) == []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    assert path.stat().st_size < MOST_BYTES
    assert set(notebook.metadata) == {"kernelspec", "recast"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@each
def test_executed_again_it_shows_the_like(path):
    kept = kinds(notebooks.read(path))
    executed = notebooks.execute(notebooks.read(path))
    assert list(problems(executed)) == []
    assert kinds(executed) == kept


def small(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.slow
def test_only_a_whole_notebook_is_kept(tmp_path, monkeypatch, capsys):
    right, wrong = tmp_path / "right.ipynb", tmp_path / "wrong.ipynb"
    nbformat.write(small("import sys", "print('a', flush=True); print('b'); print('c', file=sys.stderr)"), right)
    nbformat.write(small("open('left', 'w').close()", "1 / 0"), wrong)
    before = wrong.read_bytes()
    monkeypatch.setattr(sys, "argv", ["notebooks.py", str(wrong), str(right)])
    with pytest.raises(SystemExit, match="True"):
        notebooks.main()
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert wrong.read_bytes() == before
    found = notebooks.read(right)
    assert sorted(output.text for output in found.cells[1].outputs) == ["a\nb\n", "c\n"]
    assert [*problems(found)] == ["cell 1 warns: c\n", "no picture"]
    assert found.metadata.recast.code == notebooks.code_hash(found)
    found.cells.append(nbformat.v4.new_markdown_cell("text"))
    assert found.metadata.recast.code == notebooks.code_hash(found)
    found.cells[0].source = "import os"
    assert found.metadata.recast.code != notebooks.code_hash(found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["right.ipynb", "wrong.ipynb"]
    with pytest.raises(CellExecutionError):
        notebooks.execute(notebooks.read(wrong))
