"""The folder of a training run: its files, and whether a run may continue in it."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
from collections.abc import Iterable
from typing import Any

from keras_seq2seq.training.history import count_epochs
from keras_seq2seq.training.kept_search import SEARCH_FILE
from keras_seq2seq.training.recipe import Recipe, read_settings
from keras_seq2seq.training.training_state import StateSummary, weights_file
from keras_seq2seq.whole_file import whole_file

EPOCHS = "training.epochs"
# Names the pairs, but does not decide what they are.
WHERE = ("format", "train", "validation", "test", "source_field", "target_field", "prepared")
ROWS = "distribution.rows_multiple"
# Which devices train changes no more than the rounding of sums.
DEVICES = {f"distribution.{key}" for key in ("kind", "model_devices", "timeout")}
DEVICES.add("training.loss_positions")
SHORTLIST_FILE = "shortlist.npz"
# What an imported model brings; it is as true of a model that is tuned from it.
OF_IMPORT = (SEARCH_FILE, SHORTLIST_FILE)
LONGEST_BELOW = 200  # characters of the longest path below the folder, TensorBoard's


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Names the files of a run.

    Args:
        path: The folder.
    """

    path: pathlib.Path

    @property
    def lock(self) -> pathlib.Path:
        """Exists while a training is at work here."""
        return self.path / ".lock"

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

    def check_name(self) -> None:
        """Refuses a folder whose path the files of a run cannot have.

        Raises:
            ValueError: If it is not Unicode, or so long that files below it could not be opened.
        """
        try:
            str(self.path).encode("utf-8")
            os.stat(self.path / ("x" * LONGEST_BELOW))
        except UnicodeEncodeError:
            raise ValueError(
                "The path of a run folder must be UTF-8, or not all libraries can write there. "
                f"Received: {os.fsencode(self.path)!r}."
            ) from None
        except FileNotFoundError:
            return
        except (NotADirectoryError, FileExistsError):
            raise NotADirectoryError(
                f"{self.path} cannot be a run folder: there is a file of that name, or above it."
            ) from None
        except OSError as error:
            raise ValueError(
                f"The files of a run must be possible in its folder. Received: {self.path}: "
                f"{error.strerror}. Name another one."
            ) from None

    def goes_on(self, recipe: Recipe, *, force: bool) -> bool:
        """Returns True if the folder holds a run that a recipe continues; changes nothing.

        An unfinished run continues with its own recipe. Any run continues with a recipe that only
        has more epochs, unless the learning rate depends on their number. Where the data lies may
        change: the state knows the pairs.

        Raises:
            FileExistsError: If it holds another run, and `force` is False.
            FileNotFoundError: If the run is not complete, so that it would end badly or another
                model would replace its best, and `force` is False.
            StateError: If its state cannot be read.
        """
        if force:
            return False
        if not self.recipe.exists():
            kept = [path.name for path in (self.state, self.model, self.report) if path.exists()]
            if kept:
                raise self._incomplete(f"{', '.join(kept)} but no recipe.toml")
            return False
        state = StateSummary.read(self.state) if self.state.exists() else None
        self._check_goes_on(recipe, knows_validation=state is not None and state.knows_validation)
        if missing := self._missing(state):
            raise self._incomplete(missing)
        return True

    def rows_multiple(self) -> int:
        """Returns what the pairs of the run's batches are a multiple of; earlier releases had 1."""
        return int(read_settings(self.recipe)[ROWS]) or 1

    def prepare(self, *, goes_on: bool, fine_tune: str | os.PathLike[str] | None = None) -> None:
        """Prepares the folder for a run that continues, or empties it for a new one.

        Args:
            goes_on: Whether a run continues.
            fine_tune: Folder of the run that a new one starts from, perhaps this folder; its search
                and its shortlist are taken over, if it has them.
        """
        if goes_on:
            self.report.unlink(missing_ok=True)
            self._cut_to(StateSummary.read(self.state).epoch if self.state.exists() else 0)
            return
        given = {} if fine_tune is None else _files_of_import(pathlib.Path(fine_tune))
        # The recipe first: without it the folder holds no run, whatever else is left.
        files = (self.recipe, self.state, self.history, self.samples, self.report)
        for file in (*files, *(self.path / name for name in OF_IMPORT)):
            file.unlink(missing_ok=True)
        for folder in (self.epochs, self.tensorboard):
            shutil.rmtree(folder, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)
        for name, data in given.items():
            with whole_file(self.path / name) as partial:
                partial.write_bytes(data)

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

    def _check_goes_on(self, recipe: Recipe, *, knows_validation: bool) -> None:
        kept, given = read_settings(self.recipe), recipe.settings
        kept[ROWS] = self.rows_multiple()
        # The state knows which pairs it was trained and judged on; those of an earlier release
        # know the training pairs alone.
        free = {"data.folder", "data.languages", *DEVICES}
        free |= set() if given[ROWS] else {ROWS}
        free |= {f"data.{key}" for key in WHERE} if knows_validation else set()
        changed = {
            name: value for name, value in given.items() if kept[name] != value and name not in free
        }
        has_more_epochs = set(changed) == {EPOCHS} and kept[EPOCHS] < given[EPOCHS]
        if has_more_epochs and recipe.training.schedule != "cosine":
            return
        if self._is_finished():
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

    def _is_finished(self) -> bool:
        try:
            return not json.loads(self.report.read_text("utf-8")).get("interrupted")
        except FileNotFoundError:
            return False
        except (ValueError, AttributeError):
            raise ValueError(
                f"{self.report} cannot be read as the report of a run. Delete it to continue the "
                "run from its state, or pass --force (force=True) to start over."
            ) from None

    def _missing(self, state: StateSummary | None) -> str:
        """Returns what is missing of a run, or "" if it is complete."""
        done = count_epochs(self.history)
        if state is None:
            kept = [p.name for p in (self.model, self.report) if p.exists()]
            if done:
                kept.append(f"{self.history.name} of {done} epochs")
            return f"{', '.join(kept)} but no state.npz" if kept else ""
        if done < state.epoch:
            return f"a state after {state.epoch} epochs, but history.csv with {done}"
        if state.epoch and not self.model.exists():
            return f"a state after {state.epoch} epochs, but no model.keras"
        lost = [name for name in state.epoch_files if not (self.epochs / name).exists()]
        # A kill at the end of an epoch, in earlier releases: its file has replaced one already.
        if lost and not (self.epochs / weights_file(state.epoch + 1)).exists():
            return f"a state that needs weights of epochs, but no epochs/{', epochs/'.join(lost)}"
        return ""

    def _incomplete(self, what: str) -> FileNotFoundError:
        return FileNotFoundError(
            f"{self.path} holds {what}: a run can continue only with all its files. Nothing was "
            "changed. Put back what is missing, name another folder, or pass --force (force=True) "
            "to start over, which replaces the model."
        )

    def _cut_to(self, epochs: int) -> None:
        """Drops the records of epochs that the state does not hold: these run again."""
        if self.history.exists():
            # Not `read_text`: it would change the ends of lines, which a state may count.
            rows = self.history.read_bytes().decode("utf-8").splitlines(keepends=True)
            _replace(self.history, "".join(rows[: epochs + 1]) if epochs else "")
        if self.samples.exists():
            kept = []
            for line in self.samples.read_text("utf-8").splitlines(keepends=True):
                head = re.fullmatch(r"epoch (\d+)\n", line)
                if head and int(head[1]) > epochs:
                    break
                kept.append(line)
            _replace(self.samples, "".join(kept))


def _files_of_import(run: pathlib.Path) -> dict[str, bytes]:
    paths = [run / name for name in OF_IMPORT]
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


def _replace(path: pathlib.Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(text.encode("utf-8"))
