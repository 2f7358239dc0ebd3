"""The LightningDataModule of labelled sequences: two files, prepared once, served as batches."""

from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.loader import SequenceLoader
from recast.data.prepare.scale import Scaler, Standard
from recast.data.prepare.sequences import PreparedSequences, prepare_sequences, prepare_unseen
from recast.data.sources.source import SequenceSource
from recast.data.spec import SequenceSpec
from recast.data.stored_data import StoredData
from recast.errors import ConfigurationError
from recast.options import Fraction, PositiveInt, Seed, checked


class SequenceDataModule(StoredData[PreparedSequences]):
    """Labelled sequences of different lengths, in padded batches, for training, validation and test.

    The files are read and prepared on first use; the whole storage is moved to the training device.

    Args:
        source: Where the sequences come from.
        scaler: Scaling of the channels, fitted on the training part; none: standardised.
        own_scale: Whether each sequence is first standardised by itself, with its level and the logarithm of its spread
            as further inputs; see `recast.data.prepare.own_scale`. None: if the longest sequence to train on has more
            than 200 steps.
        validation: Share of the training sequences held out for validation, stratified by class; 0: train on all of
            them, and keep the last state. [share of sequences]
        batch_size: Sequences in a training batch of each process. [sequences]
        evaluation_batch_size: Sequences in a validation or test batch. [sequences]
        seed: Seed of the validation part and of the order of training sequences.

    Raises:
        ConfigurationError: if the scaler scales series one by one.
    """

    @checked
    def __init__(
        self,
        *,
        source: SequenceSource,
        scaler: Scaler | None = None,
        own_scale: bool | None = None,
        validation: Fraction = 0.2,
        batch_size: PositiveInt = 32,
        evaluation_batch_size: PositiveInt = 512,
        seed: Seed = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, evaluation_batch_size=evaluation_batch_size, seed=seed)
        self.source = source
        self.scaler = scaler or Standard()
        if self.scaler.local is not None:
            raise ConfigurationError(
                "data.scaler: labelled sequences are scaled together, or each by itself (data.own_scale=true); give "
                "data.scaler.by=together, or another scaler (data/scaler=standard)"
            )
        self.own_scale = own_scale
        self.validation = validation
        self._trained: SequenceSpec | None = None
        self._path: str | None = None

    def prepare(self) -> PreparedSequences:
        """The sequences, split and scaled; see the base class."""
        if self._path is not None and self._trained is not None:
            return prepare_unseen(self.source.read_file(self._path, self._trained.classes), self._trained)
        train, test = self.source.read()
        return prepare_sequences(
            train,
            test,
            scaler=self.scaler,
            validation=self.validation,
            seed=self.seed,
            own_scale=self.own_scale,
            trained=self._trained,
        )

    def adopt(self, spec: SequenceSpec, path: str | None = None) -> None:
        """Uses the scaling and the classes of a trained model instead of fitted ones, and rereads the data.

        Args:
            spec: The spec the model was trained with.
            path: Another file, whose sequences all form the test part; none: the training files.
        """
        self._trained, self._path = spec, path
        self.read_again()

    @property
    def spec(self) -> SequenceSpec:
        """What a model must know about the data."""
        return self.prepared.spec

    def items(self, part: str) -> Int[Tensor, " sequences"]:
        """Index of each sequence of a part."""
        return getattr(self.prepared.parts, part)

    def loader(self, part: str, *, shuffle: bool = False, shared: bool = True) -> SequenceLoader:
        """Batches of a part, by default in the file's order; see `order`."""
        return SequenceLoader(storage=self._storage, order=self.order(part, shuffle=shuffle, shared=shared))

    def train_dataloader(self) -> SequenceLoader:
        """Training batches, reshuffled each epoch."""
        return self.loader("train", shuffle=True)
