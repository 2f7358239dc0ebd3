"""Skill against a reference forecast."""

import math
from typing import overload

import torch
from torch import Tensor


@overload
def skill(error: float, reference: float) -> float: ...
@overload
def skill(error: Tensor, reference: Tensor | float) -> Tensor: ...
@overload
def skill(error: float, reference: Tensor) -> Tensor: ...
def skill(error: Tensor | float, reference: Tensor | float) -> Tensor | float:
    """Skill score 1 - error / reference: 1 is perfect, 0 no better than the reference, below 0 worse.

    Murphy (1988), "Skill scores based on the mean square error and their relationships to the correlation coefficient",
    Monthly Weather Review 116. Elementwise; NaN where the reference is 0.

    Args:
        error: Error of the forecast, of a kind whose best value is 0 (MSE, RMSE, MAE, CRPS ...).
        reference: The same error of the reference forecast, over the same windows.
    """
    if isinstance(error, Tensor) or isinstance(reference, Tensor):
        ratio = torch.as_tensor(error) / reference
        return torch.where(torch.as_tensor(reference == 0, device=ratio.device), math.nan, 1 - ratio)
    return 1 - error / reference if reference != 0 else math.nan
