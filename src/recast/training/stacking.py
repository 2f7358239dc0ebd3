"""Weights of the members of an ensemble."""

from collections.abc import Iterable, Sequence
from math import isfinite

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from recast.errors import ConfigurationError
from recast.nn.ensemble.ensemble import Ensemble
from recast.types import Batch

ITERATIONS = 100
"""Of the least squares for each member; three, scipy's default, do not always suffice for 15 and more."""


@torch.no_grad()
def fit_weights(
    ensemble: Ensemble, batches: Iterable[Batch], *, samples: int, names: Sequence[str] | None = None
) -> Float[Tensor, " members"]:
    """Sets the weights with the smallest squared error of the weighted mean; none is negative, and their sum is 1.

    In scaled values, over windows, leads, targets and observed truths (Bates & Granger 1969, "The combination of
    forecasts", Operational Research Quarterly 20, for the sum; Breiman 1996, "Stacked regressions", Machine Learning
    24, for the sign: many members alike otherwise get large weights that cancel).

    Args:
        ensemble: Trained models; `weights` is changed.
        batches: Windows that they were not trained on.
        samples: Trajectories of a stochastic head. [trajectories]
        names: Of the members in messages; none: those that they have in the ensemble.

    Raises:
        ConfigurationError: if no truth was observed in them, or a member's forecasts are not finite.
    """
    members = ensemble.models
    gram = torch.zeros(len(members), len(members), dtype=torch.float64)
    seen = 0
    for number, batch in enumerate(batches):
        precise = batch.to_precision(ensemble.precision)
        means = torch.stack([member.forecast(precise, samples=samples, seed=number).mean for member in members])
        errors = (means - precise.target).double()
        if precise.target_observed is not None:
            errors = errors.where(precise.target_observed, 0.0)
        flat = errors.flatten(start_dim=1)
        gram += (flat @ flat.T).cpu()
        seen += flat.shape[1] if precise.target_observed is None else int(precise.target_observed.sum())
    if not seen:
        raise ConfigurationError(
            "weights are fitted on validation windows, but the validation part has none; combine by mean or median, or "
            "give the runs a validation part (data.split)"
        )
    failed = [
        name
        for name, size in zip(names or ensemble.members, gram.diagonal().tolist(), strict=True)
        if not isfinite(size)
    ]
    if failed:
        raise ConfigurationError(
            f"{', '.join(failed)}: forecasts of validation windows are not finite, so that no weights can be fitted; "
            "leave it out"
        )
    ensemble.weights.copy_(torch.from_numpy(simplex_weights(gram.numpy())))
    return ensemble.weights


def simplex_weights(gram: Float[np.ndarray, "members members"]) -> Float[np.ndarray, " members"]:
    """The w that minimises w' gram w, none negative, with sum 1.

    With u = s w, w of sum 1, the least squares |E u|^2 + (sum(u) - 1)^2, E'E = gram, are s^2 e + (s - 1)^2 for the
    error e of w: at the best s they are e / (1 + e), which grows with e. So the non-negative solution u, divided by
    its sum, is the w with the smallest error.

    Args:
        gram: Sums of products of the errors of each two members, finite.

    Raises:
        ConfigurationError: if the solution is not found in `ITERATIONS` steps for each member.
    """
    members = len(gram)
    size = np.trace(gram) / members
    if size == 0:
        return np.full(members, 1 / members)
    values, vectors = np.linalg.eigh(gram / size)
    root = np.sqrt(values.clip(min=0))[:, np.newaxis] * vectors.T
    rows, truths = np.vstack([root, np.ones(members)]), np.append(np.zeros(members), 1.0)
    try:
        found, _ = nnls(rows, truths, maxiter=ITERATIONS * members)
    except RuntimeError as error:
        raise ConfigurationError(
            f"the weights of {members} members were not found in {ITERATIONS * members} steps; combine "
            "by mean (--combine mean)"
        ) from error
    return found / found.sum()
