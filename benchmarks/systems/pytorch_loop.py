"""Trains a preset with a bare PyTorch loop."""

import torch
from pytorch_models import Gru, Transformer
from torch.nn import functional
from worker import LABEL_SMOOTHING, read_job, serve

# The defaults of `Seq2Seq.compile`; PyTorch's own epsilon is 1e-8.
LEARNING_RATE = 1e-3
EPSILON = 1e-7
CLIP_NORM = 1.0
MODELS = {"gru_small": Gru, "transformer_small": Transformer}


def main() -> None:
    job = read_job()
    torch.set_num_threads(job.threads)
    torch.manual_seed(1)
    model = MODELS[job.preset](job.vocabulary_size)
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, eps=EPSILON, fused=True)
    batches = [tuple(torch.from_numpy(ids).long() for ids in batch) for batch in job.batches]

    def train() -> float:
        total, rows = 0.0, 0
        for source_ids, target_ids, labels in batches:
            logits = model(source_ids, target_ids)
            loss = functional.cross_entropy(
                logits.flatten(0, 1),
                labels.flatten(),
                ignore_index=0,
                label_smoothing=LABEL_SMOOTHING,
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
            optimizer.step()
            # Of rows, not of tokens, as the loss that `fit` shows.
            total, rows = total + loss.item() * len(labels), rows + len(labels)
        return total / rows

    serve(sum(parameter.numel() for parameter in parameters), train)


if __name__ == "__main__":
    main()
