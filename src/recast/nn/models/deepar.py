"""The autoregressive recurrent network of DeepAR."""

from typing import Literal, final

from recast.data.spec import SeriesSpec
from recast.nn.anchors import NoAnchor
from recast.nn.heads.head import Head
from recast.nn.models.model import AnchorFactory
from recast.nn.models.recursive import Lag, Recursive
from recast.nn.models.stack import CellFactory
from recast.options import Fraction, PositiveInt, checked

LAGS = [2, 3, 4, 5, 6, 7, 24, 48, 72, 168]
"""Of hourly data: the last hours, the same hour of the last three days, and of a week before."""


@final
class DeepAR(Recursive):
    """DeepAR: a probabilistic forecast by autoregression, one network for all series (Salinas et al. 2020).

    "DeepAR: Probabilistic forecasting with autoregressive recurrent networks", arXiv 1704.04110, section 3: `Recursive`
    trained by the likelihood of each next value given the true ones before it; a forecast is a set of trajectories,
    each lead drawn given the leads drawn before it. Layers, dropout and the use of lags are those of GluonTS
    (Alexandrov et al. 2020, "GluonTS: Probabilistic and neural time series modeling in Python", JMLR 21), a library by
    authors of the paper.

    The rest of the recipe is chosen with the data: the scale of each item (section 3.3) by `data/scaler=window`, its
    embedding by `data.item_category=true`, its calendar by `data/features=calendar`, and for counts
    `model/head=negative_binomial`. The paper samples windows by the scale of their item, which `data.regime.sample`
    does not. Its network reads the inputs known of the step that is forecast, here these are added in the readout
    (`HorizonReadout`) and the network reads those of the step before.

    Args:
        spec: Names and sizes of the data; set by the program.
        cell: The recurrent cell of every layer.
        head: What is forecast, and the training loss.
        layers: Layers of cells. [layers]
        dropout: Probability of dropping an output between layers in training.
        origins: What training scores; see `Recursive`.
        anchor: The base forecast that the network's output is added to; the paper has none.
        lags: Steps before the value that is forecast at which each step reads the targets, at least 2, as the last
            value is read anyway, and at most the context; none: none. [steps]

    Raises:
        ConfigurationError: as `Recursive`.
    """

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        cell: CellFactory,
        head: Head,
        layers: PositiveInt = 2,
        dropout: Fraction = 0.1,
        origins: Literal["all", "last"] = "all",
        anchor: AnchorFactory = NoAnchor,
        lags: list[Lag] | None = LAGS,
    ) -> None:
        super().__init__(
            spec=spec,
            cell=cell,
            head=head,
            layers=layers,
            dropout=dropout,
            origins=origins,
            anchor=anchor,
            lags=lags,
        )
