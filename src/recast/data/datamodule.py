"""The LightningDataModule: a source, prepared once, served as batches."""

from dataclasses import replace
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.grid import ErrorGrid, Grid
from recast.data.prepare.loader import BatchLoader, WindowLoader
from recast.data.prepare.prepare import Prepared, prepare
from recast.data.prepare.regime import Regime, ShuffledWindows
from recast.data.prepare.scale import Scaler, Standard
from recast.data.prepare.split import FractionSplit, Split
from recast.data.prepare.storage import Storage
from recast.data.prepare.windows import Windows
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.data.spec import SeriesSpec
from recast.data.training_data import TrainingData
from recast.options import PositiveFloat, PositiveInt, Seed, checked
from recast.types import Batch


class ForecastDataModule(TrainingData):
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
        season: Lag of the naive forecast in the denominator of MASE. [steps]
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
        season: PositiveInt = 1,
        batch_size: PositiveInt = 32,
        evaluation_batch_size: PositiveInt = 512,
        seed: Seed = 0,
    ) -> None:
        super().__init__()
        self.source = source
        self.windows = windows
        self.grid = grid or ErrorGrid()
        self.split = split or FractionSplit()
        self.scaler = scaler or Standard()
        self.regime = regime or ShuffledWindows()
        self.periods = tuple(periods or ())
        self.season = season
        self.batch_size = batch_size
        self.evaluation_batch_size = evaluation_batch_size
        self.seed = seed
        self._trained: SeriesSpec | None = None

    @cached_property
    def prepared(self) -> Prepared:
        """The series on its grid, split, scaled, with its windows; read on first access.

        Raises:
            DataError: if the source or the preparation rejects the data.
        """
        return prepare(
            self.source.read(),
            grid=self.grid,
            split=self.split,
            scaler=self.scaler,
            windows=self.windows,
            periods=self.periods,
            season=self.season,
            trained=self._trained,
        )

    def adopt(self, spec: SeriesSpec, path: str | None = None) -> None:
        """Uses the scaling and the levels of a trained model instead of fitted ones, and rereads the data.

        Args:
            spec: The spec the model was trained with.
            path: Another CSV file of the same kind; none: the training data.
        """
        self._trained = spec
        if path is not None:
            self.source = self.source.for_file(path)
        for read in ("prepared", "_storage"):
            vars(self).pop(read, None)

    def read_from(self, table: Table) -> None:
        """See the base class."""
        self.source = self.source.for_table(table)

    @property
    def spec(self) -> SeriesSpec:
        """What a model must know about the data."""
        return self.prepared.spec

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the prepared data."""
        return self.prepared.fingerprint

    def setup(self, stage: str) -> None:
        """Reads the series; called by Lightning."""
        _ = self.prepared

    def loader(self, part: str) -> WindowLoader:
        """Windows of a part in chronological order, in evaluation batches.

        Args:
            part: "train", "validation" or "test".
        """
        return WindowLoader(
            storage=self._storage,
            starts=getattr(self.prepared.starts, part).to(self._storage.device),
            context=self.spec.context,
            horizon=self.spec.horizon,
            batch_size=self.evaluation_batch_size,
            rank=self._rank,
            world=self._world,
        )

    def windows_at(self, starts: Int[Tensor, " windows"]) -> Batch:
        """The windows that begin at the rows `starts`, in any part, on the device of the storage."""
        return self._storage.windows(starts.to(self._storage.device), self.spec.context, self.spec.horizon)

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def _world(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    @cached_property
    def _storage(self) -> Storage:
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return self.prepared.storage.to(device)

    def train_dataloader(self) -> BatchLoader:
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

    def val_dataloader(self) -> WindowLoader | list[WindowLoader]:
        """Validation batches in chronological order; none if the split has no validation part."""
        return self.loader("validation") if len(self.prepared.starts.validation) else []

    def test_dataloader(self) -> WindowLoader:
        """Test batches in chronological order."""
        return self.loader("test")
