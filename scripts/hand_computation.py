"""A recurrent cell by hand: what torch.nn.RNN computes, step by step, beside recast's cell.

The example is that of Raschka, Liu & Mirjalili 2022, "Machine learning with PyTorch and Scikit-Learn", chapter 15
("Computing activations in an RNN"): seed 1, five inputs, two hidden units, three steps of ones, twos and threes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from recast.nn.cells.rnn import RNN

INPUTS = torch.tensor([[1.0] * 5, [2.0] * 5, [3.0] * 5])


class Step(NamedTuple):
    """One time step; two numbers each, one for each hidden unit.

    from_input: x W_ih' + b_ih, which the book prints as "Hidden"; from_state: h W_hh' + b_hh; pre_activation: their
    sum; output: its tanh, which is the next h.
    """

    x: Tensor
    from_input: Tensor
    from_state: Tensor
    pre_activation: Tensor
    output: Tensor


def by_hand(weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> list[Step]:
    """The steps over `INPUTS`, from zeros, with nothing but products, sums and tanh."""
    steps = []
    h = torch.zeros(len(weight_hh))
    for x in INPUTS:
        from_input = weight_ih @ x + bias_ih
        from_state = weight_hh @ h + bias_hh
        pre_activation = from_input + from_state
        h = torch.tanh(pre_activation)
        steps.append(Step(x, from_input, from_state, pre_activation, h))
    return steps


@torch.no_grad()
def main() -> None:
    """Prints the steps, and how far the three computations lie apart."""
    torch.manual_seed(1)
    layer = nn.RNN(input_size=5, hidden_size=2, num_layers=1, batch_first=True)
    torch.manual_seed(1)
    cell = RNN(input_size=5, hidden_size=2)
    of_torch, _ = layer(INPUTS[None])
    of_recast, _ = cell(INPUTS[None])
    state = cell.initial_state(1, INPUTS)
    steps = by_hand(*layer.all_weights[0])

    print("h = tanh(W_ih x + b_ih  +  W_hh h_before + b_hh), two hidden units, from h_before = 0\n")
    for number, step in enumerate(steps):
        state = cell.step(step.x[None], state)
        rows = {
            "W_ih x + b_ih": step.from_input,
            "W_hh h_before + b_hh": step.from_state,
            "pre-activation": step.pre_activation,
            "h by hand": step.output,
            "h of torch.nn.RNN": of_torch[0, number],
            "h of recast, forward": of_recast[0, number],
            "h of recast, step": state.hidden[0],
        }
        print(f"step {number}, x = {step.x.tolist()}")
        for name, (first, second) in rows.items():
            print(f"  {name:<22}{first:>12.7f}{second:>12.7f}")
        print()
    hand = torch.stack([step.output for step in steps])
    print(
        f"largest difference from the hand computation: torch.nn.RNN {(of_torch[0] - hand).abs().max():.1e}, ", end=""
    )
    print(f"recast {(of_recast[0] - hand).abs().max():.1e} (float32: 1.2e-07 is one unit in the last place at 1)")


if __name__ == "__main__":
    main()
