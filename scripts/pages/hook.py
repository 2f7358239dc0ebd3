"""What mkdocs calls while it builds the pages (mkdocs.yml): adds those that are generated, and leads links right.

Pages are written as they stand in the repository, with links that work there; some of them lie outside of docs/. The
reference of options comes from what `recast-options` reads, results from the headers of the experiments, releases from
the changelog: nothing is written twice.
"""

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# mkdocs loads this file by its path, and knows nothing of those beside it.
sys.path.insert(0, str(Path(__file__).parent))

from links import Links
from notebook_pages import notebook
from options_pages import option_pages
from releases import releases
from results_page import results

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "source.md": "src/README.md",
    "five_notebooks.md": "conf/experiment/README.md",
    "results.md": "conf/experiment/ssh_gru.yaml",
    "releases/index.md": "CHANGELOG.md",
}
"""Pages of files outside of docs/, and from where their links lead."""
REFERENCE = {
    "Commands": "reference/commands.md",
    "Python": "reference/python.md",
    "Bases of parts": "reference/bases.md",
    "Contracts for tests": "reference/testing.md",
}


generated: dict[str, str] = {}
"""Text of each page that no file in docs/ holds."""
pictures: dict[str, bytes] = {}
"""Pictures of notebooks."""
listed: list[str] = []
"""A line for each notebook, which the page that lists them ends with."""


def on_config(config: MkDocsConfig) -> None:
    """Completes the navigation by the pages that are generated."""
    generated.clear()
    pictures.clear()
    for name in ("index.md", "contributing.md", "source.md", "five_notebooks.md"):
        generated[name] = (ROOT / ELSEWHERE[name]).read_text(encoding="utf-8")
    generated["results.md"] = results(ROOT / "conf" / "experiment", generated["index.md"])
    notes = releases((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    options = option_pages(ROOT / "conf")
    notebooks = [notebook(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    for found in notebooks:
        pictures.update(found.pictures)
    listed.clear()
    listed.extend(f"- [{found.page.title}]({found.page.uri})" for found in notebooks)
    generated.update({page.uri: page.text for page in (*notes, *options, *(found.page for found in notebooks))})
    for item in config.nav or []:
        if "Releases" in item:
            item["Releases"] = [{page.title: page.uri} for page in notes]
        if "Notebooks" in item:
            item["Notebooks"] += [{found.page.title: found.page.uri} for found in notebooks]
        if "Reference" in item:
            item["Reference"] += [{title: uri} for title, uri in REFERENCE.items()]
            item["Reference"] += [{"Options": [{page.title: page.uri} for page in options]}]


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    for uri, text in generated.items():
        files.append(File.generated(config, uri, content=text))
    for uri, picture in pictures.items():
        files.append(File.generated(config, uri, content=picture))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leads links that work in the repository to pages, and to copies of the files that are no page."""
    links = Links(ROOT, {origin: uri for uri, origin in ELSEWHERE.items() if uri != "results.md"})
    uri = page.file.src_uri
    origin = f"{uri.removesuffix('.md')}.ipynb" if uri.startswith("notebooks/") else f"docs/{uri}"
    text = links.led(markdown, uri, ELSEWHERE.get(uri, origin))
    if uri == "notebooks.md":
        text += "\n" + "\n".join(listed) + "\n"
    for copied, path in links.copied.items():
        if files.get_file_from_path(copied) is None:
            files.append(File.generated(config, copied, abs_src_path=str(path)))
    return text
