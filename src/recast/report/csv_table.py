"""results.csv: one row for each run, with unrounded numbers."""

import csv
import io
import math
from typing import Any

from recast.report.groups import value_of
from recast.report.run import Run, mapping, numbers
from recast.report.runs_table import in_sequence
from recast.report.study import Study


def render(study: Study) -> str:
    """The table as CSV, runs without results included."""
    ranked = {id(run): ranked for ranked in study.ranked for run in ranked.data.runs}
    rows = []
    for run in in_sequence(study.runs, study.options):
        inside = ranked.get(id(run))
        row: dict[str, Any] = {
            "run": run.name,
            "folder": run.folder.as_posix(),
            "state": run.state.value,
            "reason": run.reason,
            "problems": "; ".join(run.problems),
            "data": inside.data.name if inside else "",
            "fingerprint": run.data.get("fingerprint", ""),
        }
        row |= {f"option:{option}": value_of(run, option) for option in study.options}
        row["seed"] = run.seed
        row |= {f"test:{metric}": value for metric, value in run.scores.items()}
        if inside and inside.reference and inside.metric.name in run.scores:
            row["best_baseline"] = inside.reference.name
            row["skill"] = inside.metric.skill(run.scores[inside.metric.name], inside.reference.best)
        row |= _facts(run)
        rows.append(row)
    # The first run may have failed: its row may lack columns.
    columns = dict.fromkeys(column for row in sorted(rows, key=len, reverse=True) for column in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {column: "" if isinstance(value, float) and math.isnan(value) else value for column, value in row.items()}
        for row in rows
    )
    return text.getvalue()


def _facts(run: Run) -> dict[str, Any]:
    selection = mapping(run.results.get("selection"))
    return {
        "parameters": run.parameters if run.parameters is not None else "",
        "steps": run.results.get("steps", ""),
        **{f"seconds:{name}": value for name, value in numbers(run.results.get("seconds")).items()},
        "selection:monitor": selection.get("monitor", ""),
        "selection:value": selection.get("value", ""),
        "checkpoint": run.results.get("checkpoint", ""),
        "recast": run.provenance.get("recast", ""),
        "commit": mapping(run.provenance.get("commit")).get("hash", ""),
        **{
            f"baseline:{name}:{metric}": value
            for name, scores in run.baselines.items()
            for metric, value in scores.items()
        },
        **_bands(run),
    }


def _bands(run: Run) -> dict[str, float]:
    """Coverage and width at each level, and CRPS, of its bands and those of the baselines."""
    return {
        column: value
        for name, scores in run.bands.items()
        for column, value in {
            **{f"coverage:{name}:{level}": value for level, value in numbers(scores.get("coverage")).items()},
            **{f"width:{name}:{level}": value for level, value in numbers(scores.get("width")).items()},
            **{f"crps:{name}": value for score, value in numbers(scores).items() if score == "crps"},
        }.items()
    }
