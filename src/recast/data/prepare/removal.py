"""Readings removed at random, to study what gaps cost a forecast."""

import logging
from dataclasses import replace

import numpy as np

from recast.data.panel import Panel

log = logging.getLogger(__name__)


def without_readings(panel: Panel, share: float, seed: int) -> Panel:
    """The panel with all targets of some rows not observed, drawn independently with one probability.

    Which rows they are depends on the seed and the number of rows alone, so that all models and baselines lack the same
    ones, as inputs and as truths.

    Args:
        panel: The panel as it was read, before it is put on a grid, whose policy decides what becomes of the gaps.
        share: Probability that a row is removed, from 0 to 1. [share of rows]
        seed: Seed of the draw.
    """
    if not share:
        return panel
    gone = np.random.default_rng(seed).random(len(panel)) < share
    values = panel.values.copy()
    for place in panel.of("target"):
        values[gone, place] = np.nan
    log.info("%s: the targets of %d of %d rows removed at random", panel.label, gone.sum(), len(panel))
    return replace(panel, values=values)
