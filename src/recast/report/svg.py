"""Embeds figures in the page: SVG as a data: URI."""

import base64
import io

import matplotlib as mpl
from matplotlib.figure import Figure


def data_uri(figure: Figure) -> str:
    """The figure as a data: URI; the same figure gives the same text. Letters are paths, so no font is needed."""
    file = io.BytesIO()
    # Without a fixed salt, the ids of its parts are random.
    with mpl.rc_context({"svg.hashsalt": "recast", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
