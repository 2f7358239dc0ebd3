"""Draws the measurements."""

import re
from collections.abc import Sequence

from matplotlib.figure import Figure

from recast.figures.memory import MemoryPanel, memory_sheet
from recast.training.memory.memory import LayerMemory


def layer_name(layer: LayerMemory) -> str:
    """The position of a layer in words: "encoder, layer 1" for `encoder.stack.cells.0`."""
    found = re.fullmatch(r"(?P<place>.*?)(?:\.stack)?(?:\.cells)?\.(?P<number>\d+)", layer.name)
    return f"{found['place']}, layer {int(found['number']) + 1}" if found else layer.name


def picture(layers: Sequence[LayerMemory], *, title: str) -> Figure:
    """One sheet for all layers; see `recast.figures.memory.memory_sheet`."""
    panels = [
        MemoryPanel(
            title=f"{layer_name(layer)} ({layer.cell})",
            before=layer.before,
            norms={loss: layer.relative(loss) for loss in layer.norms},
            time_constants={loss: layer.time_constant(loss) for loss in layer.norms},
            spectrum_before=layer.spectrum_before,
            singular=layer.singular,
            radius=layer.radius,
            gates={name: (gate.low, gate.high) for name, gate in layer.gates.items()},
        )
        for layer in layers
    ]
    return memory_sheet(panels, title=title)
