"""The error per lead."""

import numpy as np

from recast.report.bands import Band, picture
from recast.report.document import Block, Picture, Section, Text
from recast.report.groups import Group
from recast.report.run import LAST_VALUE
from recast.report.study import Ranked, Study
from recast.report.svg import data_uri
from recast.report.words import number, several

MOST = 5  # groups in a picture


def section(study: Study) -> Section:
    """A figure for each data set with more than one lead."""
    blocks: list[Block] = []
    for ranked in study.ranked:
        shown = bands(ranked)
        if shown and len(shown[0].x) > 1:
            blocks.append(_picture(ranked, shown))
        elif ranked.data.horizon is not None:
            blocks.append(Text(f"{ranked.data.name}: there is a single lead, or no error per lead in metrics.json."))
    if not blocks:
        blocks = [Text("Only forecasts have leads.")]
    return Section("Error per lead", blocks, "horizons")


def bands(ranked: Ranked) -> list[Band]:
    """The best groups, the best baseline, and the last value."""
    found = [band for group in ranked.scored[:MOST] if (band := _band(ranked, group)) is not None]
    names = [reference.name for reference in ranked.references]
    chosen = dict.fromkeys([*names[:1], *(name for name in names if name == LAST_VALUE)])
    for name in chosen:
        curves = [
            run.baselines_per_horizon[name][ranked.metric.name]
            for run in ranked.data.finished
            if ranked.metric.name in run.baselines_per_horizon.get(name, {})
        ]
        if curves:
            curve = min(curves, key=np.mean)
            found.append(Band(f"{name} (baseline)", np.arange(1, len(curve) + 1), np.array([curve]), reference=True))
    return found


def _band(ranked: Ranked, group: Group) -> Band | None:
    curves = [run.per_horizon.get(ranked.metric.name) for run in group.finished]
    horizon = ranked.data.horizon
    known = [curve for curve in curves if curve and len(curve) == horizon]
    if not known:
        return None
    return Band(f"{group.label} ({several(len(known), 'run')})", np.arange(1, len(known[0]) + 1), np.array(known))


def _picture(ranked: Ranked, shown: list[Band]) -> Picture:
    step = f" of {ranked.data.step}" if ranked.data.step else ""
    figure = picture(shown, x=f"lead [steps{step}]", y=ranked.metric.title, log=True)
    ends = "; ".join(f"{band.name}: {number(band.mean[0])} to {number(band.mean[-1])}" for band in shown)
    left_out = len(ranked.scored) - MOST
    more = f" {several(left_out, 'group')} left out." if left_out > 0 else ""
    return Picture(
        f"{ranked.data.name}: {ranked.metric.title} at each lead",
        data_uri(figure),
        f"{ranked.metric.name} from the first to the last lead: {ends}",
        f"Lines: means over seeds. Bands: from the smallest to the largest seed.{more}",
    )
