"""The LightningDataModule: a source, prepared once, served as batches."""

from dataclasses import replace

from jaxtyping import Int
from torch import Tensor

from recast.data.features.computed_feature import ComputedFeature
from recast.data.joins.join import Join
from recast.data.prepare.covariates import Covariates
from recast.data.prepare.grid import ErrorGrid, Grid
from recast.data.prepare.loader import WindowLoader
from recast.data.prepare.order import EpochLoader
from recast.data.prepare.prepare import Prepared, prepare
from recast.data.prepare.regime import Regime, ShuffledWindows
from recast.data.prepare.scale import Scaler, Standard
from recast.data.prepare.split import FractionSplit, Split
from recast.data.prepare.windows import Windows
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.data.spec import SeriesSpec
from recast.data.stored_data import StoredData
from recast.options import Fraction, PositiveFloat, PositiveInt, Seed, checked
from recast.types import Batch


class ForecastDataModule(StoredData[Prepared]):
    """Windows of one source, in batches, for training, validation and test.

    The series is read and prepared on first use; the whole storage is moved to the training device.

    Args:
        source: Where the series comes from.
        windows: Context, horizon and strides of the windows.
        grid: Policy for missing and off-grid time stamps; none: any irregular step is an error.
        split: Policy for training, validation and test rows; none: 70, 10 and 20 per cent.
        scaler: Scaling of the channels, fitted on training rows; none: standardised.
        regime: Which windows a training batch holds, and in which order; none: all of them, shuffled.
        periods: Periods of sine and cosine inputs that are known for past and future steps, such as 24 or 12.4206012
            (M2). [hours]
        features: Columns that are computed at any stamp, past and future, and so are known ahead, by name: calendar,
            holidays, tide, earlier values of the targets; none: none.
        joins: Further tables whose columns become inputs at the stamps of the series, by name; none: none.
        season: Rows after which the series repeats itself, 1 for none: lag of the naive forecast in the denominator of
            MASE, and the season of baselines without one of their own. [steps]
        item_category: Whether models know which item of a panel a window is of, by a learnt embedding of each item that
            has training rows; others are unknown to them. For items that stay the same, not for new ones.
        removed: Share of rows whose targets are removed at random, for studies of gaps; what becomes of these is up to
            the grid ("mask": they are kept as not observed). [share of rows]
        removal_seed: Seed of the rows removed, which are the same whatever the model and its `seed`.
        batch_size: Windows in a training batch of each process. [windows]
        evaluation_batch_size: Windows in a validation or test batch. [windows]
        seed: Seed of the order of training windows.
    """

    @checked
    def __init__(
        self,
        *,
        source: Source,
        windows: Windows,
        grid: Grid | None = None,
        split: Split | None = None,
        scaler: Scaler | None = None,
        regime: Regime | None = None,
        periods: list[PositiveFloat] | None = None,
        features: dict[str, ComputedFeature | None] | None = None,
        joins: dict[str, Join | None] | None = None,
        season: PositiveInt = 1,
        item_category: bool = False,
        removed: Fraction = 0.0,
        removal_seed: Seed = 0,
        batch_size: PositiveInt = 32,
        evaluation_batch_size: PositiveInt = 512,
        seed: Seed = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, evaluation_batch_size=evaluation_batch_size, seed=seed)
        self.source = source
        self.windows = windows
        self.grid = grid or ErrorGrid()
        self.split = split or FractionSplit()
        self.scaler = scaler or Standard()
        self.regime = regime or ShuffledWindows()
        self.periods = tuple(periods or ())
        self.covariates = Covariates(features, joins)
        self.season = season
        self.item_category = item_category
        self.removed = removed
        self.removal_seed = removal_seed
        self._trained: SeriesSpec | None = None

    def prepare(self) -> Prepared:
        """The series on its grid, split, scaled, with its windows; see the base class."""
        return prepare(
            self.source.read(),
            grid=self.grid,
            split=self.split,
            scaler=self.scaler,
            windows=self.windows,
            periods=self.periods,
            season=self.season,
            item_category=self.item_category,
            removed=self.removed,
            removal_seed=self.removal_seed,
            trained=self._trained,
            covariates=self.covariates,
        )

    def adopt(self, spec: SeriesSpec, path: str | None = None) -> None:
        """Uses the scaling and the levels of a trained model instead of fitted ones, and rereads the data.

        Args:
            spec: The spec the model was trained with.
            path: Another CSV file of the same kind; none: the training data.
        """
        self._trained = spec
        if path is not None:
            self.source = self.source.for_file(path).with_step(spec.step)
        self.read_again()

    def read_from(self, table: Table) -> None:
        """See the base class."""
        self.source = self.source.for_table(table)

    @property
    def spec(self) -> SeriesSpec:
        """What a model must know about the data."""
        return self.prepared.spec

    def items(self, part: str) -> Int[Tensor, " windows"]:
        """First row of each window of a part."""
        return getattr(self.prepared.starts, part)

    def loader(self, part: str) -> WindowLoader:
        """Windows of a part in chronological order, in evaluation batches.

        Args:
            part: "train", "validation" or "test".
        """
        return WindowLoader(
            storage=self._storage, order=self.order(part), context=self.spec.context, horizon=self.spec.horizon
        )

    def windows_at(self, starts: Int[Tensor, " windows"]) -> Batch:
        """The windows that begin at the rows `starts`, in any part, on the device of the storage."""
        return self._storage.windows(starts.to(self._storage.device), self.spec.context, self.spec.horizon)

    def train_dataloader(self) -> EpochLoader[Batch]:
        """Training batches of the regime.

        Raises:
            ConfigurationError: if the regime does not fit the data.
        """
        return self.regime.loader(
            replace(self.prepared, storage=self._storage),
            batch_size=self.batch_size,
            seed=self.seed,
            rank=self._rank,
            world=self._world,
        )
