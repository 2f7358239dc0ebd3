"""Pages that are generated, and links led from the repository to pages."""

import json

import pytest
from pages import ROOT


@pytest.fixture(autouse=True)
def found(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "pages"))


@pytest.mark.parametrize(
    ("page", "origin", "text", "expected"),
    [
        (
            "index.md",
            "README.md",
            "[a](docs/how/line.md#x) ![b](docs/images/c.png)",
            "[a](how/line.md#x) ![b](images/c.png)",
        ),
        ("how/line.md", "docs/how/line.md", "[a](../../CONTRIBUTING.md#x)", "[a](../contributing.md#x)"),
        ("how/line.md", "docs/how/line.md", "[a](../speed.md) [b](#x) [c](https://x.y/z.md)", None),
        ("extend.md", "docs/extend.md", "[the package](../tests/their_package)", "the package"),
        ("a.md", "docs/a.md", "[licence](../LICENSE)", "[licence](files/LICENSE.txt)"),
        ("a.md", "docs/a.md", "```\n[a](../README.md)\n```\n[not there](../nowhere.md)", None),
    ],
)
def test_links_lead_to_pages_and_to_copies_of_files(page, origin, text, expected):
    from links import Links

    links = Links(ROOT, {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"})
    assert links.led(text, page, origin) == (expected or text)
    assert links.copied == ({"files/LICENSE.txt": ROOT / "LICENSE"} if "LICENSE" in text else {})


def test_a_page_for_each_version():
    from releases import releases

    overview, *versions = releases("# Changes\n\n## 0.2.0\n\n- One\n- Two,\n  longer.\n\n## 0.1.0\n\n- First.\n")
    assert [(version.uri, version.text) for version in versions] == [
        ("releases/0.2.0.md", "# Release 0.2.0\n\n\n- One\n- Two,\n  longer.\n\n"),
        ("releases/0.1.0.md", "# Release 0.1.0\n\n\n- First.\n"),
    ]
    assert "- [0.2.0](0.2.0.md): 2 changes\n- [0.1.0](0.1.0.md): 1 change" in overview.text


def test_a_header_keeps_its_commands_and_tables(tmp_path):
    from results_page import header_text

    path = tmp_path / "one.yaml"
    path.write_text(
        "# @package _global_\n#\n# What_it is, a*b.\n#     recast-train -m\n#       x\n# MSE .5.\ndefaults:\n"
    )
    assert header_text(path) == "What\\_it is, a\\*b.\n\n```text\nrecast-train -m\n  x\n```\n\nMSE .5.\n"


def test_a_notebook_with_its_outputs(tmp_path):
    from notebook_pages import notebook

    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["one\n", "two\n"]},
        {"output_type": "display_data", "data": {"image/png": "aGVsbG8=", "text/plain": ["<Figure>"]}},
        {
            "output_type": "execute_result",
            "data": {
                "text/html": ['<div><style scoped>a</style>\n\n<table border="1" class="dataframe">b</table></div>']
            },
        },
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# 1. Title: more\n", "Text."]},
        {"cell_type": "code", "source": ["print()"], "outputs": outputs},
        {"cell_type": "code", "source": [], "outputs": []},
    ]
    path = tmp_path / "first.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    page, pictures = notebook(path)
    assert (page.title, page.uri) == ("1. Title", "notebooks/first.md")
    assert page.text == (
        "# 1. Title: more\nText.\n\n```python\nprint()\n```\n\n```text\none\ntwo\n```\n\n"
        "![The picture that this code draws](first_0.png)\n\n<div>\n<table>b</table></div>\n"
    )
    assert pictures == {"notebooks/first_0.png": b"hello"}
