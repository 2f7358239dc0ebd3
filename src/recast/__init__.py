"""recast: recurrent encoder-decoders for time series, honestly compared."""

__version__ = "0.5.0"
