"""Skill against a reference forecast."""

import math
from typing import overload

import torch
from torch import Tensor


@overload
def skill(value: float, reference: float, perfect: float = 0.0) -> float: ...
@overload
def skill(value: Tensor, reference: Tensor | float, perfect: float = 0.0) -> Tensor: ...
@overload
def skill(value: float, reference: Tensor, perfect: float = 0.0) -> Tensor: ...
def skill(value: Tensor | float, reference: Tensor | float, perfect: float = 0.0) -> Tensor | float:
    """Skill score (value - reference) / (perfect - reference): 1 is perfect, 0 is the reference, below 0 is worse.

    For an error, whose perfect value is 0, that is 1 - error / reference. Murphy (1988), "Skill scores based on the
    mean square error and their relationships to the correlation coefficient", Monthly Weather Review 116; Wilks (2011),
    Statistical Methods in the Atmospheric Sciences, equation 8.4. Elementwise; NaN where the reference is perfect.

    Args:
        value: A metric of the forecast.
        reference: The same of the reference forecast, over the same windows.
        perfect: The same of a perfect forecast.
    """
    short, whole = perfect - value, perfect - reference
    if isinstance(short, Tensor) or isinstance(whole, Tensor):
        ratio = torch.as_tensor(short) / whole
        return torch.where(torch.as_tensor(whole == 0, device=ratio.device), math.nan, 1 - ratio)
    return 1 - short / whole if whole != 0 else math.nan
