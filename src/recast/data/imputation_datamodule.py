"""The LightningDataModule of windows whose gaps are filled."""

from functools import cached_property

from jaxtyping import Bool, Int
from torch import Tensor

from recast.data.features.computed_feature import ComputedFeature
from recast.data.prepare.covariates import Covariates
from recast.data.prepare.gap_loader import GapLoader, TrainingGapLoader
from recast.data.prepare.gap_removal import Points, Removal
from recast.data.prepare.gaps import PreparedGaps, prepare_gaps
from recast.data.prepare.grid import Grid, ImputeGrid, MaskGrid
from recast.data.prepare.scale import Scaler, Standard
from recast.data.prepare.split import FractionSplit, Split
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.data.spec import SeriesSpec
from recast.data.stored_data import StoredData
from recast.errors import ConfigurationError
from recast.options import PositiveInt, Seed, checked
from recast.types import Batch


class ImputationDataModule(StoredData[PreparedGaps]):
    """Windows of one source, without some of their observed values, which are to be filled again.

    All targets are alike: each is read, and filled where it was not observed. Columns of other roles, past ones too,
    are inputs that are read over the whole window. In training, other values of the targets are removed from a window
    in each epoch. Validation and test windows do not overlap, and lack the same values whatever the model, its seed and
    the size of batches; rows of a part that fill no window are left out. A value counts in metrics if it was observed
    and removed.

    Args:
        source: Where the series comes from.
        steps: Steps of a window. [steps]
        stride: Distance between the starts of neighbouring training windows. [steps]
        grid: Policy for missing and off-grid time stamps; none: missing ones are steps at which nothing was observed.
        split: Policy for training, validation and test rows; none: 70, 10 and 20 per cent.
        scaler: Scaling of the columns, fitted on training rows; none: standardised.
        features: Columns that are computed at any stamp, by name; such as read observations, or count from the last
            step of a window, are refused.
        removal: How much is removed from a window, and in which form; none: a tenth of its values.
        removal_seed: Seed of what validation and test windows lack.
        training_gaps: Whether the training part loses as much before the training, for good, as in benchmarks that
            count such values as never observed.
        batch_size: Windows in a training batch of each process. [windows]
        evaluation_batch_size: Windows in a validation or test batch. [windows]
        seed: Seed of the order of training windows, and of what they lack.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or the grid fills contexts itself.
    """

    @checked
    def __init__(
        self,
        *,
        source: Source,
        steps: PositiveInt = 48,
        stride: PositiveInt = 1,
        grid: Grid | None = None,
        split: Split | None = None,
        scaler: Scaler | None = None,
        features: dict[str, ComputedFeature | None] | None = None,
        removal: Removal | None = None,
        removal_seed: Seed = 0,
        training_gaps: bool = False,
        batch_size: PositiveInt = 32,
        evaluation_batch_size: PositiveInt = 512,
        seed: Seed = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, evaluation_batch_size=evaluation_batch_size, seed=seed)
        self.source = source
        self.steps = steps
        self.stride = stride
        if isinstance(grid, ImputeGrid):
            raise ConfigurationError(
                "data/grid=impute: a model that fills gaps reads no values of another one; give data/grid=mask"
            )
        self.grid = grid or MaskGrid()
        self.split = split or FractionSplit()
        self.scaler = scaler or Standard()
        self.covariates = Covariates(features)
        self.removal = removal or Points()
        self.removal_seed = removal_seed
        self.training_gaps = training_gaps
        self._trained: SeriesSpec | None = None
        self._unseen = False

    def prepare(self) -> PreparedGaps:
        """The series on its grid, split, scaled, with its windows; see the base class."""
        return prepare_gaps(
            self.source.read(),
            steps=self.steps,
            stride=self.stride,
            grid=self.grid,
            split=self.split,
            scaler=self.scaler,
            covariates=self.covariates,
            removal=self.removal,
            removal_seed=self.removal_seed,
            training_gaps=self.training_gaps,
            trained=self._trained,
            unseen=self._unseen,
        )

    def adopt(self, spec: SeriesSpec, path: str | None = None) -> None:
        """Uses the scaling of a trained model instead of a fitted one, and rereads the data.

        Args:
            spec: The spec the model was trained with.
            path: Another CSV file of the same kind, all of which is the test part; none: the training data.
        """
        self._trained, self._unseen = spec, path is not None
        if path is not None:
            self.source = self.source.for_file(path).with_step(spec.step)
        self.read_again()

    def read_again(self) -> None:
        """See the base class."""
        super().read_again()
        vars(self).pop("_removed", None)

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

    def loader(self, part: str) -> GapLoader:
        """Windows of a part in chronological order, in evaluation batches."""
        return GapLoader(storage=self._storage, order=self.order(part), steps=self.steps, removed=self._removed)

    def windows_at(self, starts: Int[Tensor, " windows"]) -> Batch:
        """The windows that begin at the rows `starts`, without what is removed from them where they are scored."""
        return self.loader("test").gather(starts.to(self._storage.device))

    def train_dataloader(self) -> TrainingGapLoader:
        """Training batches, reshuffled each epoch."""
        return TrainingGapLoader(
            storage=self._storage,
            order=self.order("train", shuffle=True),
            steps=self.steps,
            removal=self.removal,
            seed=self.seed,
        )

    @cached_property
    def _removed(self) -> Bool[Tensor, "rows targets"]:
        return self.prepared.removed.to(self._storage.device)
