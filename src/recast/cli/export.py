"""recast-export: a trained model as one graph, for programs without recast."""

from recast.cli.application import application_without_hydra

HELP = """recast-export writes a trained model as one graph: from raw values in the data's unit to mean and quantiles.

  recast-export checkpoint=RUN/checkpoints/best.ckpt format=onnx output=model.onnx input=new.csv
  recast-export checkpoint=RUN/checkpoints/best.ckpt format=torch_export output=model.pt2 levels=[]

The graph reads windows, the first axis of each array: "history" (batch, context, targets), float64 in the data's unit,
and where the model reads such "past", "known" (over context and horizon), "static", "hours" (since 1970-01-01 UTC, of
each step), "past_levels", "known_levels", "static_levels" (int64, places in the levels of a category) and "item"
(int64, place in the items of the training, -1 for another). What was not observed is NaN, or the number of levels,
where the model reads masks. Columns of data.features are inputs like any other, computed by the caller. It gives "mean"
(batch, horizon, targets) and, with levels, "quantiles" (batch, levels, horizon, targets). Names, units, levels and more
are JSON: "recast" in the metadata of an ONNX file, "recast.json" in a program of torch. Heads that are drawn from give
the mean of their distribution, recast-forecast that of its samples. The graph is compared with the model before
anything is written.

Options (override with option=value):
"""


def export(overrides: list[str]) -> None:
    """Checks the configuration, exports, prints what was compared and the path of the graph."""
    from recast.runs.configure.check import accepted
    from recast.runs.configure.flat import compose_flat
    from recast.runs.configure.options import ExportOptions
    from recast.runs.export.export import export_file

    options = compose_flat("export", overrides)
    with accepted(options, ExportOptions):
        found = export_file(options)
    checked = ", ".join(f"{error:.2g} on {kind}" for kind, error in found.errors.items())
    print(f"{len(found.content)} bytes in {found.seconds:.1f} s; largest relative error {checked}")
    print(options["output"], flush=True)


def main() -> None:
    """The command."""
    application_without_hydra("export", HELP, export)


if __name__ == "__main__":
    main()
