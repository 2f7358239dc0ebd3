"""A forecast that continues from where the layers that read the context stopped."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from recast.nn.models.stack import Stack
from recast.nn.recurrence.engine import engine
from recast.nn.recurrence.request import ClosedLoop, Readout, Rollout


def continue_from_context(
    stack: Stack,
    output: Float[Tensor, "rows hidden"],
    states: list[Any],
    *,
    readout: Readout,
    recent: Sequence[Tensor],
    known: Float[Tensor, "batch further known"],
    base: Float[Tensor, "batch horizon ..."],
    embed: Callable[[Sequence[Tensor], Tensor], Tensor] | None = None,
) -> Rollout:
    """The forecast of layers that read its values as they read the context.

    Their output after the context is read out as the first lead; a closed loop gives the later ones.

    Args:
        stack: The layers.
        output: The top layer's output after the context.
        states: State of each layer there.
        readout: Maps the top layer's output to a value.
        recent: The last values of the context, oldest first, as many as the readout and `embed` read.
        known: Known inputs that the layers read along with the value of each lead but the last.
        base: What the readout adds to, at each lead.
        embed: See `ClosedLoop`.
    """
    parameters, value = readout.read(output, base[:, 0], recent)
    begun = Rollout(parameters.unsqueeze(1), value.unsqueeze(1))
    if not known.shape[1]:
        return begun
    further = engine().decode(
        ClosedLoop(
            layers=stack.layers,
            states=states,
            readout=readout,
            first=value,
            known=known,
            base=base[:, 1:],
            dropout=stack.drop(output.shape[0], known.shape[1], output),
            truth=None,
            mask=None,
            detach=False,
            before=recent[1:],
            embed=embed,
        )
    )
    return Rollout(*(torch.cat(parts, dim=1) for parts in zip(begun, further, strict=True)))
