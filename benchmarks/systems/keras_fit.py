"""Trains a preset with `compile` and `fit`; with --xla its steps are compiled by XLA."""

import keras
from worker import LABEL_SMOOTHING, Batch, read_job, serve

import keras_seq2seq


class FixedBatches(keras.utils.PyDataset):
    """The same batches in every epoch, handed over as `PairBatches` does it."""

    def __init__(self, batches: list[Batch]) -> None:
        super().__init__()
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple:
        source_ids, target_ids, labels = self.batches[index]
        return {"source_ids": source_ids, "target_ids": target_ids}, labels


def main() -> None:
    job = read_job()
    keras.utils.set_random_seed(1)
    config = keras_seq2seq.Seq2SeqConfig.from_preset(
        job.preset, job.vocabulary_size, job.vocabulary_size
    )
    model = keras_seq2seq.Seq2Seq(config)
    model.compile(label_smoothing=LABEL_SMOOTHING, jit_compile=job.xla)
    batches = FixedBatches(job.batches)

    def train() -> float:
        history = model.fit(batches, epochs=1, shuffle=False, verbose=0)
        return history.history["loss"][0]

    serve(model.count_params(), train)


if __name__ == "__main__":
    main()
