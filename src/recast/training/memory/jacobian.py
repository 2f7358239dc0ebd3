"""The Jacobian of one step with respect to the state."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from recast.nn.cells.cell import Cell


class Spectrum(NamedTuple):
    """Size of Jacobian matrices: the largest singular value, and the largest modulus of an eigenvalue."""

    singular: Float[Tensor, " batch"]
    radius: Float[Tensor, " batch"]


def state_jacobian(cell: Cell[Any], x: Float[Tensor, "batch input"], state: Any) -> Float[Tensor, "batch after before"]:
    """The Jacobian J[i, j] = ds'_i / ds_j of one step, s' = step(x, s), with the fields of the state concatenated.

    Args:
        cell: The recurrent layer.
        x: The step's input.
        state: The state before it, as the cell's NamedTuple.
    """
    sizes = [part.shape[1] for part in state]
    size, batch = sum(sizes), len(x)
    # One copy of each window per row of its Jacobian: the gradient of output i of copy i is that row. One call and
    # one backward pass suffice, without requirements on the cell's operations.
    copies = torch.cat([part.detach() for part in state], dim=1).repeat_interleave(size, dim=0).requires_grad_()
    with torch.enable_grad():
        after = cell.step(x.detach().repeat_interleave(size, dim=0), cell.state_type(*copies.split(sizes, dim=1)))
        outputs = torch.cat([*after], dim=1).unflatten(0, (batch, size))
        (rows,) = torch.autograd.grad(outputs.diagonal(dim1=1, dim2=2).sum(), copies)
    return rows.unflatten(0, (batch, size))


def spectrum(jacobian: Float[Tensor, "batch after before"]) -> Spectrum:
    """The largest singular value and the spectral radius of each matrix.

    Along a path, a gradient shrinks at each step at least by the largest singular value if that is below 1: it must
    vanish. It can only explode if that is above 1 (Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063, section 2.1). The
    spectral radius, never larger, is the asymptotic factor per step over many equal steps.
    """
    return Spectrum(torch.linalg.matrix_norm(jacobian, ord=2), torch.linalg.eigvals(jacobian).abs().amax(dim=1))
