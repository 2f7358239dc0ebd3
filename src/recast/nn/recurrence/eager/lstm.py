"""The long short-term memory.

    i = sigmoid(.)    f = sigmoid(.)    g = tanh(.)    o = sigmoid(.)    c' = f * c + i * g    h' = o * tanh(c')

Its blocks are o, i, f and g: the sigmoids are adjacent, and so are the gates whose gradients come from that of c'.
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
        self._output, self._input, self._forget, self._candidate = (
            gate.unbind(0) for gate in tape.gates.chunk(BLOCKS, dim=1)
        )
        self._sigmoids = tape.gates[:, : 3 * tape.hidden_size].unbind(0)
        self._cell, self._squashed = (buffer.unbind(0) for buffer in tape.beside)

    def _activate(self, t: int) -> None:
        self._sigmoids[t].sigmoid_()
        self._candidate[t].tanh_()
        cell = torch.mul(self._forget[t], self._cell[t], out=self._cell[t + 1])
        cell.addcmul_(self._input[t], self._candidate[t])
        squashed = torch.tanh(cell, out=self._squashed[t + 1])
        torch.mul(self._output[t], squashed, out=self.hidden[t + 1])


@final
class _Backward(Backward):
    keeps: ClassVar[int] = 0

    def __init__(self, tape: Tape, product: Tensor, rows: slice, accumulate: Accumulate) -> None:
        super().__init__(tape, product, rows, accumulate)
        cell, squashed = tape.beside
        self._gates = tape.gates.unflatten(1, (BLOCKS, -1))
        self._before = cell[:-1]
        self._squashed = squashed[1:]
        self._gradients = self._by_gate.unflatten(1, (BLOCKS, -1))
        self._of_output = self._gradients[:, 0].unbind(0)
        self._of_others = self._gradients[:, 1:].unbind(0)
        self._forget = self._gates[:, 2].unbind(0)
        self._hidden_by_cell = cell.new_empty(self._chunk, *cell.shape[1:])
        self._hidden_by_cell_at = self._hidden_by_cell.unbind(0)
        self.state.append(torch.zeros_like(cell[0]))

    def _derive(self, steps: slice) -> None:
        o, i, f, g = self._gates[steps].unbind(1)
        to_o, to_i, to_f, to_g = self._gradients[: len(o)].unbind(1)
        squashed = self._squashed[steps]
        torch.mul(o, 1 - squashed * squashed, out=self._hidden_by_cell[: len(o)])
        torch.mul(o, squashed, out=to_o).mul_(1 - o)
        torch.mul(i, g, out=to_i).mul_(1 - i)
        torch.mul(f, self._before[steps], out=to_f).mul_(1 - f)
        torch.mul(i, 1 - g * g, out=to_g)

    def _apply(self, t: int, place: int) -> None:
        hidden, cell = self.state
        cell.addcmul_(hidden, self._hidden_by_cell_at[place])
        self._of_output[place].mul_(hidden)
        self._of_others[place].mul_(cell)
        cell.mul_(self._forget[t])


LSTM = CellSteps(
    blocks=BLOCKS,
    inputs=GateRows(0, (3, 0, 1, 2)),
    hidden=GateRows(0, (3, 0, 1, 2)),
    beside=2,
    fields=2,
    forward=_Forward,
    backward=_Backward,
)
