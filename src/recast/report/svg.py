"""A picture inside the page: SVG as a data: address."""

import base64
import io

import matplotlib as mpl
from matplotlib.figure import Figure


def data_uri(figure: Figure) -> str:
    """The picture as a data: address; the same figure gives the same text. Letters are drawn, so no font is needed."""
    file = io.BytesIO()
    # The names of its parts are random without a salt.
    with mpl.rc_context({"svg.hashsalt": "recast", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
