"""Pictures of how reliable bands are: what they hold against what they say, and where truths fall."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from recast.figures.style import GREY, blank, name_axes, tidy
from recast.report.bands import LEGEND_LINE, WIDTH, Band, escaped, legend, picture, styles
from recast.report.document import Picture
from recast.report.interval_scores import LEVELS, Bands
from recast.report.study import Ranked
from recast.report.svg import data_uri
from recast.report.words import several

MOST = 5  # bands of models in a picture
HEIGHT = 4.4  # inches
APART = 0.7  # percent of nominal coverage between neighbours, so that their error bars are seen
TENTHS = np.arange(1, 11)


def pictures(ranked: Ranked, found: Sequence[Bands]) -> list[Picture]:
    """Both pictures of the first bands and the baseline's.

    Args:
        ranked: The data set.
        found: Its bands, the best group first.
    """
    models = [band for band in found if not band.reference]
    shown = [*models[:MOST], *(band for band in found if band.reference)]
    more = f" {several(len(models) - MOST, 'band')} left out." if len(models) > MOST else ""
    held = "; ".join(
        f"{band.label}: "
        + ", ".join(
            f"{100 * value:.1f} at {level}"
            for level, value in zip(LEVELS, band.mean("coverage"), strict=True)
            if np.isfinite(value)
        )
        for band in shown
    )
    reliable = Picture(
        f"{ranked.data.name}: reliability",
        data_uri(reliability(shown)),
        f"Percent of truths that bands hold: {held}",
        "On the diagonal bands hold what they say, below it they are too narrow. Bars: intervals of the sampling "
        f"error; points side by side have the same nominal coverage.{more}",
    )
    spread = [Band(band.label, TENTHS, 100 * np.array(band.pit), band.reference) for band in shown if len(band.pit)]
    if not spread:
        return [reliable]
    figure = picture(
        spread, x="tenth of the forecast distribution, the lowest first", y="share of the truths [%]", marked=10
    )
    ends = "; ".join(f"{band.name}: {', '.join(f'{value:.1f}' for value in band.mean)}" for band in spread)
    return [
        reliable,
        Picture(
            f"{ranked.data.name}: where truths fall (PIT)",
            data_uri(figure),
            f"Percent of truths in each tenth of the forecast distribution: {ends}",
            "10 % everywhere where distributions are right. High at both ends: too narrow; high in the middle: too "
            "wide; high at one end: forecasts too low or too high. Lines: means over seeds. Bands: from the smallest "
            f"to the largest seed.{more}",
        ),
    ]


def reliability(shown: Sequence[Bands]) -> Figure:
    """What bands hold against what they say, with error bars.

    Args:
        shown: The bands.
    """
    figure = blank(width=WIDTH, height=HEIGHT + LEGEND_LINE * len(shown))
    axes = figure.add_subplot()
    tidy(axes)
    nominal = np.array([float(level) for level in LEVELS])
    axes.axline((nominal[0], nominal[0]), slope=1, color=GREY, linewidth=0.8)
    for place, (band, (colour, dash)) in enumerate(zip(shown, styles([band.reference for band in shown]), strict=True)):
        held = 100 * np.array(band.mean("coverage"))
        ends = 100 * np.array([share.interval for share in band.shares] or [(np.nan, np.nan)] * len(LEVELS))
        axes.errorbar(
            nominal + APART * (place - (len(shown) - 1) / 2),
            held,
            # A coverage over seeds and the middle of its interval differ by rounding alone.
            yerr=np.abs(ends.T - held),
            color=colour,
            linestyle=dash,
            linewidth=1.2,
            marker="o",
            markersize=3.5,
            capsize=2.5,
            label=escaped(band.label),
        )
    axes.set_xticks(nominal)
    axes.set_xlim(nominal[0] - 5, 100)
    name_axes(axes, x="nominal coverage [%]", y="truths held [%]")
    legend(figure, axes)
    return figure
