"""recast-generate: writes text with a trained language model."""

from recast.cli.application import application_without_hydra

HELP = """recast-generate writes text with a trained language model, as it goes; it needs the checkpoint alone.

  recast-generate checkpoint=RUN/checkpoints/best.ckpt prompt="ROMEO:" length=500
  recast-generate checkpoint=... prompt="To be" temperature=0.5 top_k=10 top_p=0.9 seed=1
  recast-generate checkpoint=... prompt="To be or not to b" likeliest=5 length=0

Options (override with option=value):
"""
PROMPT = "prompt="


def generate(overrides: list[str]) -> None:
    """Checks the configuration, and prints the text as it is written."""
    from recast.runs.configure.check import accepted
    from recast.runs.configure.flat import compose_flat
    from recast.runs.configure.options import GenerateOptions
    from recast.runs.generate import generate as written

    # A prompt is a text whatever it looks like: a number, {braces}, ${an interpolation}.
    prompts = [word.removeprefix(PROMPT) for word in overrides if word.startswith(PROMPT)]
    options = compose_flat("generate", [word for word in overrides if not word.startswith(PROMPT)])
    if prompts:
        options["prompt"] = prompts[-1]
    with accepted(options, GenerateOptions):
        for piece in written(options):
            print(piece, end="", flush=True)


def main() -> None:
    """The command."""
    application_without_hydra("generate", HELP, generate)


if __name__ == "__main__":
    main()
