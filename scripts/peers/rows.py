"""The rows of the table; nothing heavy is imported here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A library with one of its models.

    Args:
        module: Module beside this one.
        peer: Its class.
        needs: What must be importable; absent, the row is left out.
        distribution: The package whose version is reported.
        quick: Whether it has a place in a quick comparison.
    """

    module: str
    peer: str
    needs: str
    distribution: str
    quick: bool = True


NAIVE = "naive"
"""The row that all others are compared with."""

ROWS = {
    NAIVE: Row("naive", "Naive", "torch", "torch"),
    "recast": Row("recast_task", "Recast", "recast", "recast-rnn"),
    "darts": Row("darts_models", "DartsRNN", "darts", "darts"),
    "darts-block": Row("darts_models", "DartsBlockRNN", "darts", "darts", quick=False),
    "neuralforecast": Row("neuralforecast_gru", "NeuralForecastGRU", "neuralforecast", "neuralforecast"),
    "neuralforecast-recurrent": Row(
        "neuralforecast_gru", "NeuralForecastRecurrentGRU", "neuralforecast", "neuralforecast", quick=False
    ),
    "gluonts-deepar": Row("gluonts_deepar", "GluonTSDeepAR", "gluonts", "gluonts"),
    "pytorch-forecasting": Row(
        "pytorch_forecasting_models", "PyTorchForecastingRNN", "pytorch_forecasting", "pytorch-forecasting"
    ),
    "pytorch-forecasting-deepar": Row(
        "pytorch_forecasting_models",
        "PyTorchForecastingDeepAR",
        "pytorch_forecasting",
        "pytorch-forecasting",
        quick=False,
    ),
}
