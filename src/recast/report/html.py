"""The report as one self-contained HTML file: no network, no scripts."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from recast.report.document import Block, Document

TEMPLATE = "report.html.jinja"


def render(document: Document) -> str:
    """The report as HTML. Every text is escaped."""
    environment = Environment(
        loader=PackageLoader("recast.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(document=document, kind=_kind)


def _kind(block: Block) -> str:
    return type(block).__name__
