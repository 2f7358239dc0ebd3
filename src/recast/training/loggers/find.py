"""The adapter of a logger."""

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from recast.training.loggers.adapter import LoggerAdapter
from recast.training.loggers.csv_log import CsvAdapter
from recast.training.loggers.mlflow_log import MlflowAdapter
from recast.training.loggers.tensorboard_log import TensorBoardAdapter
from recast.training.loggers.wandb_log import WandbAdapter

ADAPTERS: dict[type[Logger], LoggerAdapter] = {
    TensorBoardLogger: TensorBoardAdapter(),
    CSVLogger: CsvAdapter(),
    MLFlowLogger: MlflowAdapter(),
    WandbLogger: WandbAdapter(),
}
ANY = LoggerAdapter()


def adapter_of(kind: type[Logger]) -> LoggerAdapter:
    """The adapter for a class of loggers: that of the class it inherits from, otherwise the one for any logger."""
    return next((adapter for known, adapter in ADAPTERS.items() if issubclass(kind, known)), ANY)
