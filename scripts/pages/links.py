"""Links between files of the repository, as links between pages."""

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

LINK = re.compile(r"(?P<name>!?\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^()\s]+)\)")
DOCS = "docs/"


class Links:
    """Leads the links of pages.

    Args:
        root: The repository.
        pages: Files outside of docs/ that are pages: the page of each.

    Attributes:
        copied: Files that are no page and are linked: where their copies stand, and what they are copies of.
    """

    def __init__(self, root: Path, pages: Mapping[str, str]) -> None:
        self.root = root
        self.pages = pages
        self.copied: dict[str, Path] = {}

    def led(self, markdown: str, page: str, origin: str) -> str:
        """A page's text with links that lead to pages.

        Args:
            markdown: The text, with links as they work in the repository.
            page: The page, relative to docs/.
            origin: The file that the text is from, relative to the repository.
        """
        parts = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
        return "".join(
            part if part.startswith("```") else LINK.sub(lambda match: self._link(match, page, origin), part)
            for part in parts
        )

    def _link(self, match: re.Match[str], page: str, origin: str) -> str:
        target, hash_sign, anchor = match["target"].partition("#")
        if not target or "://" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        if path in self.pages:
            to = self.pages[path]
        elif path.startswith(DOCS):
            to = path.removeprefix(DOCS)
        elif (self.root / path).is_file():
            # A page in all but name: browsers show plain text, and offer to store what they do not know.
            to = f"files/{path}" if posixpath.splitext(path)[1] else f"files/{path}.txt"
            self.copied[to] = self.root / path
        elif (self.root / path).is_dir():
            # There is no page of a folder; its name tells where it is.
            return match["name"][1:-1]
        else:
            return match[0]
        return f"{match['name']}({posixpath.relpath(to, posixpath.dirname(page) or '.')}{hash_sign}{anchor})"
