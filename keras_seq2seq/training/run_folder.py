"""The folder of a training run: its files, and whether a run may continue in it."""

import dataclasses
import json
import pathlib
import re
import shutil
from collections.abc import Iterable
from typing import Any

from keras_seq2seq.training.recipe import Recipe, read_settings
from keras_seq2seq.training.training_state import completed_epochs
from keras_seq2seq.whole_file import whole_file

EPOCHS = "training.epochs"


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Names the files of a run.

    Args:
        path: The folder.
    """

    path: pathlib.Path

    @property
    def model(self) -> pathlib.Path:
        """The trained model."""
        return self.path / "model.keras"

    @property
    def recipe(self) -> pathlib.Path:
        """The recipe with every default."""
        return self.path / "recipe.toml"

    @property
    def state(self) -> pathlib.Path:
        """The state that an interrupted run resumes from."""
        return self.path / "state.npz"

    @property
    def epochs(self) -> pathlib.Path:
        """Folder with the weights of single epochs."""
        return self.path / "epochs"

    @property
    def history(self) -> pathlib.Path:
        """Table with a row for each epoch."""
        return self.path / "history.csv"

    @property
    def picture(self) -> pathlib.Path:
        """The history, drawn."""
        return self.path / "history.png"

    @property
    def samples(self) -> pathlib.Path:
        """A few translations of each evaluation."""
        return self.path / "samples.txt"

    @property
    def sources(self) -> pathlib.Path:
        """Validation sources that an export is verified on."""
        return self.path / "sources.txt"

    @property
    def tensorboard(self) -> pathlib.Path:
        """Folder with the files of TensorBoard."""
        return self.path / "tensorboard"

    @property
    def report(self) -> pathlib.Path:
        """The results of the run, as JSON."""
        return self.path / "report.json"

    def goes_on(self, recipe: Recipe, *, force: bool) -> bool:
        """Returns True if the folder holds a run that a recipe continues; changes nothing.

        An unfinished run continues with its own recipe. Any run continues with a recipe that only
        has more epochs, unless the learning rate depends on their number.

        Raises:
            FileExistsError: If it holds another run, and `force` is False.
        """
        if force or not self.recipe.exists():
            return False
        self._check_goes_on(recipe)
        return True

    def prepare(self, *, goes_on: bool) -> None:
        """Prepares the folder for a run that continues, or empties it for a new one."""
        if goes_on:
            self.report.unlink(missing_ok=True)
            self._cut_to(completed_epochs(self.state) if self.state.exists() else 0)
            return
        # The recipe first: without it the folder holds no run, whatever else is left.
        for file in (self.recipe, self.state, self.history, self.samples, self.report):
            file.unlink(missing_ok=True)
        for folder in (self.epochs, self.tensorboard):
            shutil.rmtree(folder, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)

    def write_start(self, recipe: Recipe, sources: Iterable[str]) -> None:
        """Writes the first files of a run, each whole or not at all, the recipe last.

        Args:
            recipe: The recipe of the run.
            sources: Texts that an export is verified on.
        """
        _replace(self.sources, "".join(f"{source}\n" for source in sources))
        _replace(self.recipe, recipe.to_toml())

    def write_report(self, report: dict[str, Any]) -> None:
        """Writes the report, never half of it."""
        _replace(self.report, json.dumps(report, indent=2, ensure_ascii=False) + "\n")

    def _check_goes_on(self, recipe: Recipe) -> None:
        kept, given = read_settings(self.recipe), recipe.settings
        changed = {name: value for name, value in given.items() if kept[name] != value}
        has_more_epochs = set(changed) == {EPOCHS} and kept[EPOCHS] < given[EPOCHS]
        if has_more_epochs and recipe.training.schedule != "cosine":
            return
        finished = self.report.exists() and not json.loads(self.report.read_text("utf-8")).get(
            "interrupted"
        )
        if finished:
            raise FileExistsError(
                f"{self.path} holds a finished run. Name another folder, raise only "
                "training.epochs to continue it (not with the cosine schedule), or pass --force "
                "(force=True) to overwrite it."
            )
        if changed:
            listed = [f"{name} = {value!r}, was {kept[name]!r}" for name, value in changed.items()]
            raise FileExistsError(
                f"{self.path} holds an unfinished run, which continues only with its own recipe. "
                f"This recipe differs: {'; '.join(listed)}. Name another folder, or pass --force "
                "(force=True) to start over."
            )

    def _cut_to(self, epochs: int) -> None:
        """Drops the records of epochs that the state does not hold: these run again."""
        if self.history.exists():
            rows = self.history.read_text("utf-8").splitlines(keepends=True)
            _replace(self.history, "".join(rows[: epochs + 1]) if epochs else "")
        if self.samples.exists():
            kept = []
            for line in self.samples.read_text("utf-8").splitlines(keepends=True):
                head = re.fullmatch(r"epoch (\d+)\n", line)
                if head and int(head[1]) > epochs:
                    break
                kept.append(line)
            _replace(self.samples, "".join(kept))


def _replace(path: pathlib.Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, "utf-8")
