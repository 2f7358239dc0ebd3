"""Draws the picture of README: a week of day-ahead forecasts of prices, and the error at each lead.

    recast-train experiment=nordpool_prices calibration=adaptive keep_forecasts=true hydra.run.dir=RUN
    python scripts/picture.py RUN docs/images/nordpool.png

The week is not chosen by eye: of the test part's weeks from Monday on, with a forecast at each midnight, it is the one
whose error is the median.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from recast.figures.png import save
from recast.figures.style import ACCENT, BLUE, GREY, TRUTH_STYLE, blank, name_axes, tidy
from recast.runs.checkpoints.checkpoint import described
from recast.runs.configure.build import build
from recast.runs.forecasts_file import read_forecasts

LOWER, UPPER = 0.1, 0.9
LINE = "ridge"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run with keep_forecasts=true and hourly data")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    draw(arguments.run, arguments.output)


def draw(run: Path, output: Path) -> None:
    """Draws the picture of a run.

    Args:
        run: Its folder.
        output: The PNG file.
    """
    _, config = described(run / "checkpoints" / "best.ckpt")
    panel = build(config["data"]["source"]).read()
    kept = read_forecasts(run)
    model, line = kept["model"], kept[LINE]
    # The first step that each window forecasts.
    rows = model["start"] + config["data"]["windows"]["context"]
    leads = model["mean"].shape[1]
    stamps = panel.clock[rows]
    truth = panel.values[rows[:, None] + np.arange(leads), 0]
    errors = ((model["mean"][..., 0] - truth) ** 2).mean(axis=1)

    midnights = np.flatnonzero(stamps.astype("datetime64[h]").astype(int) % 24 == 0)
    # Weeks from Monday on; the first day of 1970 was a Thursday.
    weeks = (stamps[midnights].astype("datetime64[D]").astype(int) + 3) // 7
    whole = [week for week in np.unique(weeks) if np.sum(weeks == week) == 7]
    ranked = sorted(whole, key=lambda week: float(errors[midnights][weeks == week].mean()))
    shown = midnights[weeks == ranked[len(ranked) // 2]]
    times = panel.clock[(rows[shown][:, None] + np.arange(leads)).ravel()]
    dates = [pd.Timestamp(stamp) for stamp in times[::24]]
    lower, upper = (
        model["band"][shown, np.argmin(abs(model["band_levels"] - level)), :, 0].ravel() for level in (LOWER, UPPER)
    )

    figure = blank(width=10.0, height=3.5)
    left, right = figure.subplots(1, 2, width_ratios=[3.2, 1.0])
    left.fill_between(times, lower, upper, color=ACCENT, alpha=0.2, linewidth=0, label="80 % band")
    left.plot(times, truth[shown].ravel(), **TRUTH_STYLE, label="price")
    left.plot(
        times, line["mean"][shown, :, 0].ravel(), color=BLUE, linewidth=1.2, linestyle="--", label="ridge, the line"
    )
    left.plot(times, model["mean"][shown, :, 0].ravel(), color=ACCENT, linewidth=1.6, label="network")
    left.set_xlim(times[0], times[-1])
    left.set_xticks(times[::24], [f"{date:%a} {date.day} {date:%b}" for date in dates])
    name_axes(left, y="EUR/MWh")
    left.set_title(
        f"Nord Pool, forecast at each midnight: the week of {dates[0]:%Y} with the median error",
        fontsize=11,
        loc="left",
    )
    left.legend(fontsize=9, ncols=4, frameon=False, loc="upper left", bbox_to_anchor=(0.0, 0.16))
    low, high = left.get_ylim()
    left.set_ylim(low - 0.16 * (high - low), high)

    horizons = pd.read_csv(run / "per_horizon.csv")
    for name, colour, label in (
        ("last_value", GREY, "last value"),
        (LINE, BLUE, "ridge"),
        ("model", ACCENT, "network"),
    ):
        right.plot(horizons["lead"], horizons[f"{name}:rmse"], color=colour, linewidth=1.6, label=label)
    right.set_ylim(bottom=0)
    windows = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["windows"]["test"]
    name_axes(right, x="hours ahead", y="RMSE, EUR/MWh")
    right.set_title(f"all {windows:,} test windows", fontsize=11, loc="left")
    right.legend(fontsize=9, frameon=False)
    for axes in (left, right):
        tidy(axes)
    save(figure, output)


if __name__ == "__main__":
    main()
