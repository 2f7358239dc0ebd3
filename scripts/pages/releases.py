"""A page for each version, out of the changelog."""

import re

from written_page import WrittenPage


def releases(changelog: str) -> list[WrittenPage]:
    """An overview, then a page for each version, the newest first.

    Args:
        changelog: The text of CHANGELOG.md: a heading "## VERSION" before the changes of each version.
    """
    _, *parts = re.split(r"^## (.+)$", changelog, flags=re.MULTILINE)
    versions = list(zip(parts[::2], parts[1::2], strict=True))
    counts = [len(re.findall(r"^- ", text, re.MULTILINE)) for _, text in versions]
    lines = [
        f"- [{version}]({version}.md): {count} change{'' if count == 1 else 's'}"
        for (version, _), count in zip(versions, counts, strict=True)
    ]
    overview = "# Releases\n\nWhat changed in each version, for those who use recast.\n\n" + "\n".join(lines) + "\n"
    return [
        WrittenPage("Releases", "releases/index.md", overview),
        *(WrittenPage(version, f"releases/{version}.md", f"# Release {version}\n{text}") for version, text in versions),
    ]
