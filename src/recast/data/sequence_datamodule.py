"""The LightningDataModule of labelled sequences: two files, prepared once, served as batches."""

from functools import cached_property

import torch

from recast.data.prepare.loader import SequenceLoader
from recast.data.prepare.order import Order
from recast.data.prepare.scale import Scaler, Standard
from recast.data.prepare.sequences import PreparedSequences, prepare_sequences, prepare_unseen
from recast.data.prepare.storage import Storage
from recast.data.sources.source import SequenceSource
from recast.data.spec import PanelSpec
from recast.data.training_data import TrainingData
from recast.options import Fraction, PositiveInt, Seed, checked


class SequenceDataModule(TrainingData):
    """Labelled sequences of different lengths, in padded batches, for training, validation and test.

    The files are read and prepared on first use; the whole storage is moved to the training device.

    Args:
        source: Where the sequences come from.
        scaler: Scaling of the channels, fitted on the training part; none: standardised.
        validation: Share of the training sequences held out for validation, stratified by class; 0: train on all of
            them, and keep the last state. [share of sequences]
        batch_size: Sequences in a training batch of each process. [sequences]
        evaluation_batch_size: Sequences in a validation or test batch. [sequences]
        seed: Seed of the validation part and of the order of training sequences.
    """

    @checked
    def __init__(
        self,
        *,
        source: SequenceSource,
        scaler: Scaler | None = None,
        validation: Fraction = 0.2,
        batch_size: PositiveInt = 32,
        evaluation_batch_size: PositiveInt = 512,
        seed: Seed = 0,
    ) -> None:
        super().__init__()
        self.source = source
        self.scaler = scaler or Standard()
        self.validation = validation
        self.batch_size = batch_size
        self.evaluation_batch_size = evaluation_batch_size
        self.seed = seed
        self._trained: PanelSpec | None = None
        self._path: str | None = None

    @cached_property
    def prepared(self) -> PreparedSequences:
        """The sequences, split and scaled; read on first access.

        Raises:
            DataError: if the source or the preparation rejects the data.
        """
        if self._path is not None and self._trained is not None:
            return prepare_unseen(self.source.read_file(self._path, self._trained.classes), self._trained)
        train, test = self.source.read()
        return prepare_sequences(
            train, test, scaler=self.scaler, validation=self.validation, seed=self.seed, trained=self._trained
        )

    def adopt(self, spec: PanelSpec, path: str | None = None) -> None:
        """Uses the scaling and the classes of a trained model instead of fitted ones, and rereads the data.

        Args:
            spec: The spec the model was trained with.
            path: Another file, whose sequences all form the test part; none: the training files.
        """
        self._trained, self._path = spec, path
        for read in ("prepared", "_storage"):
            vars(self).pop(read, None)

    @property
    def spec(self) -> PanelSpec:
        """What a model must know about the data."""
        return self.prepared.spec

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the prepared data."""
        return self.prepared.fingerprint

    def setup(self, stage: str) -> None:
        """Reads the files; called by Lightning."""
        _ = self.prepared

    def loader(self, part: str, *, shuffle: bool = False, shared: bool = True) -> SequenceLoader:
        """Batches of a part.

        Args:
            part: "train", "validation" or "test".
            shuffle: Whether to use random order and the training batch size; otherwise file order and evaluation
                batches.
            shared: Whether several processes share the sequences, or each takes all.
        """
        trainer = self.trainer if shared else None
        order = Order(
            getattr(self.prepared.parts, part).to(self._storage.device),
            self.batch_size if shuffle else self.evaluation_batch_size,
            shuffle=shuffle,
            seed=self.seed,
            rank=trainer.global_rank if trainer else 0,
            world=trainer.world_size if trainer else 1,
        )
        return SequenceLoader(self._storage, order)

    @cached_property
    def _storage(self) -> Storage:
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return self.prepared.storage.to(device)

    def train_dataloader(self) -> SequenceLoader:
        """Training batches, reshuffled each epoch."""
        return self.loader("train", shuffle=True)

    def val_dataloader(self) -> SequenceLoader | list[SequenceLoader]:
        """Validation batches in the files' order; none if no validation part is held out."""
        return self.loader("validation") if len(self.prepared.parts.validation) else []

    def test_dataloader(self) -> SequenceLoader:
        """Test batches in the file's order."""
        return self.loader("test")
