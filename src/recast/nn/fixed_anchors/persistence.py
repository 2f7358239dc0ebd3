"""The last value, and as much of the network as holds up on windows it was not trained on."""

from recast.data.spec import SeriesSpec
from recast.nn.fixed_anchors.seasonal import SeasonalAnchor
from recast.options import PositiveInt, checked


class PersistenceAnchor(SeasonalAnchor):
    """The last observation for every lead, with the guard of anchors that are solved.

    It is the seasonal naive forecast of a season of one step: base_h = y_T for lead h, with y_T the last value, as with
    `recast.nn.anchors.LastAnchor`. There all of the network's correction is added, here what holds up on the validation
    windows.

    Args:
        spec: Names and sizes of the data; given by the model.
        leads: Number of leads; given by the model.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, spec: SeriesSpec, leads: PositiveInt) -> None:
        super().__init__(spec=spec, leads=leads, lags=[1])
