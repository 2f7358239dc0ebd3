"""The gated recurrent unit.

    r = sigmoid(.)    z = sigmoid(.)    n = tanh(x_n + r * h_n)    h' = (1 - z) * n + z * h

Its buffer has four blocks, h_n, r, z and n: the previous output contributes to the first three, the inputs to the last
three.
"""

from typing import ClassVar, final

import torch
from torch import Tensor

from recast.nn.recurrence.eager.gate_rows import GateRows
from recast.nn.recurrence.eager.steps import Accumulate, Backward, CellSteps, Forward, Tape

BLOCKS = 4


@final
class _Forward(Forward):
    def __init__(self, tape: Tape, product: Tensor, rows: slice) -> None:
        super().__init__(tape, product, rows)
        self._h_n, self._reset, self._update, self._candidate = (
            gate.unbind(0) for gate in tape.gates.chunk(BLOCKS, dim=1)
        )
        self._reset_update = tape.gates[:, tape.hidden_size : 3 * tape.hidden_size].unbind(0)

    def _activate(self, t: int) -> None:
        self._reset_update[t].sigmoid_()
        candidate = self._candidate[t].addcmul_(self._reset[t], self._h_n[t]).tanh_()
        torch.lerp(candidate, self.hidden[t], self._update[t], out=self.hidden[t + 1])


@final
class _Backward(Backward):
    keeps: ClassVar[int] = 1

    def __init__(self, tape: Tape, product: Tensor, rows: slice, accumulate: Accumulate) -> None:
        super().__init__(tape, product, rows, accumulate)
        self._gates = tape.gates.unflatten(1, (BLOCKS, -1))
        self._before = tape.field(0)[:-1]
        self._gradients = self._by_gate.unflatten(1, (BLOCKS, -1))
        self._gradient = self._gradients.unbind(0)
        self._update = self._gates[:, 2].unbind(0)

    def _derive(self, steps: slice) -> None:
        h_n, r, z, n = self._gates[steps].unbind(1)
        to_h_n, to_r, to_z, to_n = self._gradients[: len(n)].unbind(1)
        new = 1 - z
        torch.mul(new, 1 - n * n, out=to_n)
        torch.mul(to_n, r, out=to_h_n)
        torch.mul(to_h_n, h_n, out=to_r).mul_(1 - r)
        torch.sub(self._before[steps], n, out=to_z).mul_(new).mul_(z)

    def _apply(self, t: int, place: int) -> None:
        self._gradient[place].mul_(self.state[0])
        self.state[0].mul_(self._update[t])
        self.fed.zero_()


GRU = CellSteps(
    blocks=BLOCKS,
    inputs=GateRows(1, (0, 1, 2)),
    hidden=GateRows(0, (2, 0, 1)),
    beside=0,
    fields=1,
    forward=_Forward,
    backward=_Backward,
)
