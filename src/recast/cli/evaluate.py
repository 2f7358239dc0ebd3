"""recast-evaluate: scores a checkpoint on a part of its data."""

from omegaconf import DictConfig

from recast.cli.application import application


def job(config: DictConfig) -> None:
    """Checks the configuration, scores, prints, and writes the results where an output folder is given."""
    from recast.cli.show import show_results
    from recast.runs.configure.check import accepted
    from recast.runs.configure.compose import plain
    from recast.runs.configure.training_options import EvaluateOptions
    from recast.runs.evaluate import evaluate
    from recast.runs.trainer import quiet_lightning
    from recast.system.files import user_path

    quiet_lightning()
    options = plain(config)
    with accepted(options, EvaluateOptions):
        results = evaluate(options)
        show_results(results)
        if options["output"]:
            results.write(user_path(options["output"]))
            print(options["output"], flush=True)


def main() -> None:
    """The command."""
    application("evaluate", job)


if __name__ == "__main__":
    main()
