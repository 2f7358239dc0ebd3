"""The simple recurrent cell with tanh: h' = tanh(sum)."""

from typing import ClassVar, final

import torch
from torch import Tensor

from recast.nn.recurrence.eager.gate_rows import GateRows
from recast.nn.recurrence.eager.steps import Accumulate, Backward, CellSteps, Forward, Tape


@final
class _Forward(Forward):
    def __init__(self, tape: Tape, product: Tensor, rows: slice) -> None:
        super().__init__(tape, product, rows)
        self._sum = tape.gates.unbind(0)

    def _activate(self, t: int) -> None:
        torch.tanh(self._sum[t], out=self.hidden[t + 1])


@final
class _Backward(Backward):
    keeps: ClassVar[int] = 0

    def __init__(self, tape: Tape, product: Tensor, rows: slice, accumulate: Accumulate) -> None:
        super().__init__(tape, product, rows, accumulate)
        self._outputs = tape.field(0)[1:]
        self._gradient = self._by_gate.unbind(0)

    def _derive(self, steps: slice) -> None:
        outputs = self._outputs[steps]
        torch.sub(1, outputs * outputs, out=self._by_gate[: len(outputs)])

    def _apply(self, t: int, place: int) -> None:
        self._gradient[place].mul_(self.state[0])


RNN = CellSteps(
    blocks=1,
    inputs=GateRows(0, (0,)),
    hidden=GateRows(0, (0,)),
    beside=0,
    fields=1,
    forward=_Forward,
    backward=_Backward,
)
