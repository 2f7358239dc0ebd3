"""How sure forecasts are of themselves: coverage and width of their bands, beside the best baseline's."""

import math
from collections import defaultdict
from collections.abc import Sequence

from recast.report import reliability
from recast.report.document import Block, Items, Row, Section, Table
from recast.report.interval_scores import LEVELS, Bands, bands
from recast.report.study import Ranked, Study
from recast.report.words import NOTHING, decimals, number, several

NAMED = 3  # bands in a line
HOW = (
    "Share of the test truths that bands of 50, 80, 90 and 95 % hold, in percent ± its standard error, over seeds. The "
    "error is that of a circular block bootstrap (Politis and Romano 1992, after Künsch 1989) over origins, in blocks "
    "of three horizons, since windows overlap; of many series that are forecast once, over series. A band is off where "
    "the {level} interval of its coverage does not hold its nominal value: too narrow where it holds too few truths, "
    "too wide where too many. It speaks about these trained models and other times."
)
SHARP = (
    "Mean width of the bands, means over seeds: of two bands that hold what they say, the narrower one says more. CRPS "
    "is the score of the whole distribution, the smaller the better; skill is 1 - CRPS / CRPS of the baseline with the "
    "smallest. PIT is the largest difference between the shares of truths in the tenths of the forecast distribution, "
    "added up, and 10, 20 ... 90 %."
)


def section(study: Study) -> Section | None:
    """Tables and pictures of each data set with bands; None where no run has any."""
    blocks: list[Block] = []
    lines, problems = [], []
    for ranked in study.ranked:
        lacking: defaultdict[str, list[str]] = defaultdict(list)
        found = bands(ranked, study.alpha, lacking)
        problems += [f"{ranked.data.name}: no sampling error for {_some(who)}: {why}" for why, who in lacking.items()]
        if found:
            lines.append(conclusion(ranked, found))
            blocks += [coverage_table(ranked, found, study.alpha), sharpness_table(ranked, found)]
            blocks += reliability.pictures(ranked, found)
    said = [Items(lines), *([Items(problems, "warning")] if problems else [])]
    return Section("How sure", [*said, *blocks], "sure") if blocks else None


def conclusion(ranked: Ranked, found: Sequence[Bands]) -> str:
    """What the bands of the best group hold, how good they are, and of how many groups they are off."""
    first = [band for band in found if band.names == found[0].names][-1]
    known = [(level, cell) for level, cell in zip(LEVELS, _held(first), strict=True) if cell != NOTHING]
    levels, held = (", ".join(words) for words in zip(*known, strict=True)) if known else ("", "")
    line = f"{ranked.data.name}: of {levels} % the bands of {first.label} hold {held} %"
    line += f": {first.verdict}" if first.shares else ""
    baseline = next((band for band in found if band.reference), None)
    if baseline is not None:
        (crps,), (reference,) = first.mean("crps"), baseline.mean("crps")
        line += (
            f". Its CRPS is {number(crps)}, the smallest of a baseline's bands {number(reference)} ({baseline.name})"
        )
    models = [band for band in found if not band.reference and band.known]
    if len(models) > 1:
        line += f". {sum(bool(band.off) for band in models)} of {len(models)} bands of models are off"
    return f"{line}."


def _resampled(found: Sequence[Bands]) -> str:
    said = list(dict.fromkeys(band.resampled for band in found if band.resampled))
    return f"Resampled: {', '.join(said)}." if said else ""


def _some(names: Sequence[str]) -> str:
    shown = "; ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {several(len(names) - NAMED, 'other')}"


def coverage_table(ranked: Ranked, found: Sequence[Bands], alpha: float) -> Table:
    """What bands hold, and whether that is what they say."""
    rows = [
        Row(
            (*band.names, band.kind, *_held(band), band.verdict),
            "baseline" if band.reference else "worse" if band.off else "",
        )
        for band in found
    ]
    options = ranked.options or ("model",)
    return Table(
        f"{ranked.data.name}: coverage of bands [%]",
        (*options, "band", *(f"{level} %" for level in LEVELS), "verdict"),
        rows,
        words=len(options) + 1,
        note=f"{HOW.format(level=f'{100 * (1 - alpha):g} %')} {_resampled(found)}".rstrip(),
    )


def sharpness_table(ranked: Ranked, found: Sequence[Bands]) -> Table:
    """How wide bands are, and how good the distributions."""
    unit = next((f" [{unit}]" for run in ranked.data.finished if (unit := run.unit)), "")
    reference = next((band.mean("crps")[0] for band in found if band.reference), math.nan)
    options = ranked.options or ("model",)
    rows = []
    for band in found:
        (crps,), (deviation,) = band.mean("crps"), band.mean("pit_deviation")
        skill = math.nan if band.reference or not reference else 1 - crps / reference
        cells = (*map(number, (*band.mean("width"), crps)), decimals(skill), number(deviation, 2))
        mark = "baseline" if band.reference else "worse" if skill < 0 else ""
        rows.append(Row((*band.names, band.kind, *cells), mark))
    return Table(
        f"{ranked.data.name}: width of bands and CRPS{unit}",
        (*options, "band", *(f"{level} %" for level in LEVELS), "CRPS", "skill", "PIT"),
        rows,
        words=len(options) + 1,
        note=SHARP,
    )


def _held(band: Bands) -> list[str]:
    """Coverage with its standard error, in percent."""
    known = band.shares or [None] * len(LEVELS)
    return [
        NOTHING
        if math.isnan(value)
        else f"{100 * value:.1f}"
        if share is None or math.isnan(share.standard_error)
        else f"{100 * value:.1f} ± {100 * share.standard_error:.1f}"
        for value, share in zip(band.mean("coverage"), known, strict=True)
    ]
