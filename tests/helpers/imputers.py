"""Forecasting models whose contexts are filled by an imputation model."""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from model_forms import model_of
from synthetic import with_weights

from recast.data.spec import ImputerSpec, SeriesSpec
from recast.nn.cells.gru import GRU
from recast.nn.models.bidirectional_imputer import BidirectionalImputer
from recast.nn.models.brits import Brits
from recast.nn.models.context_imputer import ContextImputer
from recast.nn.models.gru_d import GruD
from recast.nn.models.imputer import Imputer
from recast.nn.models.inputs import Inputs
from recast.nn.models.m_rnn import MRnn
from recast.nn.models.model import ForecastModel

CELL = partial(GRU, hidden_size=3)
IMPUTERS = {
    "bidirectional_imputer": partial(BidirectionalImputer, cell=CELL, layers=1),
    "brits": partial(Brits, cell=CELL),
    "gru_d": partial(GruD, cell=CELL, bidirectional=True),
    "m_rnn": partial(MRnn, cell=CELL),
}
ONE_ORIGIN: dict[str, dict[str, Any]] = {
    "per_step": {"origins": 1},
    "recursive": {"origins": "last"},
    "deepar": {"origins": "last"},
}
"""Options of those forms that otherwise learn from every step of the context."""


def scaled(spec: SeriesSpec, offset: float, scale: float) -> SeriesSpec:
    """The same with another scaling of each column."""
    places = range(len(spec.columns))
    return replace(
        spec,
        offset=tuple(offset * (1 + place) for place in places),
        scale=tuple(scale * (1 + place) for place in places),
    )


def imputer_of(name: str, spec: SeriesSpec) -> Imputer:
    """An imputation model in float64 whose weights let every path matter."""
    return with_weights(IMPUTERS[name](spec=spec))


def filled_by(form: str, imputer: Imputer, spec: SeriesSpec, **options: Any) -> ForecastModel:
    """A forecasting model of that form which reads what the imputer makes of its contexts."""
    whole = replace(spec, imputer=ImputerSpec(model={}, spec=imputer.spec))
    model = model_of(form, anchor="last", spec=whole, **ONE_ORIGIN.get(form, {}), **options)
    inputs = next(part for part in model.modules() if isinstance(part, Inputs))
    inputs.imputer = ContextImputer(imputer=imputer, spec=whole)
    return model.to(torch.float64)
