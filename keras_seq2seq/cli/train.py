"""The commands that make models: train and average."""

import argparse
import pathlib
import signal

from keras_seq2seq.cli.options import Commands, add_recipe


def add_train(commands: Commands) -> None:
    """Adds the command train."""
    parser = commands.add_parser("train", help="train a model from a recipe")
    add_recipe(parser)
    parser.add_argument("--output-dir", type=pathlib.Path, help="run folder (default: runs/RECIPE)")
    parser.add_argument(
        "--fine-tune", type=pathlib.Path, metavar="RUN", help="start from the model of this run"
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing run")
    parser.set_defaults(command=_train)


def _train(arguments: argparse.Namespace) -> int:
    from keras_seq2seq.training.recipe import Recipe

    recipe = Recipe.load(arguments.recipe, arguments.set)
    # Imported after the recipe is read: its errors come at once, and Keras takes seconds.
    from keras_seq2seq.training.processes import current_processes
    from keras_seq2seq.training.time_spent import told
    from keras_seq2seq.training.train import train

    folder = arguments.output_dir or pathlib.Path("runs") / arguments.recipe.stem
    report = train(recipe, folder, fine_tune=arguments.fine_tune, force=arguments.force)
    if current_processes().writes:
        for part in ("test", "test_beam"):
            for name, value in report.get(part, {}).items():
                print(f"{part} {name}: {value}")
        print(f"time: {told(report['seconds'])}")
    print(f"run folder: {folder}")
    # As a shell tells of a process that a signal ended: 130 for Ctrl-C, 143 for SIGTERM.
    return 128 + signal.Signals[report["signal"]] if report["interrupted"] else 0


def add_average(commands: Commands) -> None:
    """Adds the command average."""
    parser = commands.add_parser(
        "average",
        help="average the weights of epochs of a run",
        description="Averages the weights of epochs that a run kept (its recipe says how many, in "
        "training.average_last or training.average_best).",
    )
    parser.add_argument("run", type=pathlib.Path, help="run folder")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--last", type=int, metavar="N", help="the last N epochs")
    which.add_argument("--best", type=int, metavar="N", help="the N best by the recipe's metric")
    parser.add_argument(
        "--output", type=pathlib.Path, help=".keras file to write (default: RUN/average.keras)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")
    parser.set_defaults(command=_average)


def _average(arguments: argparse.Namespace) -> int:
    path = arguments.output or arguments.run / "average.keras"
    if path.exists() and not arguments.force:
        raise FileExistsError(
            f"{path} exists. Pass --force to write over it, or name another file with --output."
        )
    from keras_seq2seq.training.averaging import average_run
    from keras_seq2seq.training.run_folder import RunFolder

    by_metric = arguments.best is not None
    count = arguments.best if by_metric else arguments.last
    epochs = average_run(RunFolder(arguments.run), path, count, by_metric=by_metric)
    print(f"average of the epochs {', '.join(map(str, epochs))}: {path}")
    return 0
