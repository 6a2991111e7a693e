"""Writes small models of Transformers' MarianMTModel with what it makes of texts, for the tests:

    python write_pretrained.py pretrained_hf.tar.xz

Needs torch 2.13 and transformers 5.24, which no test needs. The archive holds a folder for each
layout, as Transformers writes them, and `expected.json` in it.
"""

import collections
import io
import json
import os
import pathlib
import random
import sys
import tarfile
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import sentencepiece
import torch
from transformers import GenerationConfig, MarianConfig, MarianMTModel, MarianTokenizer

from keras_seq2seq.phrasebook.corpus import generate

SEED = 7
torch.set_num_threads(1)
PIECES, MIN_COUNT = 160, 2
LONGEST = 40  # tokens of a translation, eos included
TEXTS = 16
# A few pairs are learnt by heart, so that each text has a translation of its own.
LEARNT, STEPS, BATCH = 64, 600, 24
HOSTILE = [
    "",
    "  two  spaces\tand a tab ",
    "Les éléphants ½ ﬁ ① ｆｕｌｌ",
    "zebra ☂ 日本語 العربية",
    "👩‍👩‍👧 🇫🇷 !",
    "e\u0301 \ufeff\u200bx\u00ad",
    "a ▁ b <s> _",
    "They are watching. " * 6,
]
SIZES = {
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 36,
    "decoder_ffn_dim": 36,
}
# What each layout is about, and how it is saved.
LAYOUTS = {
    "tied": {
        "activation_function": "swish",
        "scale_embedding": True,
        "decoder_layers": 1,
        "form": "safetensors",
    },
    "untied": {"activation_function": "relu", "tie_word_embeddings": False, "form": "zip"},
    "half": {"activation_function": "gelu", "scale_embedding": True, "form": "half legacy"},
    "separate": {
        "activation_function": "gelu_new",
        "scale_embedding": True,
        "share_encoder_decoder_embeddings": False,
        "form": "legacy",
    },
    "languages": {"activation_function": "silu", "scale_embedding": True, "form": "bfloat16 zip"},
}
LANGUAGES = (">>fra<<", ">>por<<")
SEARCHES = {
    "greedy": {"num_beams": 1},
    "beam": {"num_beams": 4},
    "early": {"num_beams": 3, "early_stopping": True, "length_penalty": 0.6},
}


def main(path: pathlib.Path) -> None:
    pairs = generate(size=2000).train
    with tempfile.TemporaryDirectory() as room:
        for name, options in LAYOUTS.items():
            folder = pathlib.Path(room) / name
            folder.mkdir()
            write(folder, name, dict(options), pairs)
            print(name, sum(file.stat().st_size for file in folder.iterdir()))
        with tarfile.open(path, "w:xz", preset=9) as archive:
            archive.add(room, "pretrained_hf")


def write(folder: pathlib.Path, name: str, options: dict, pairs: list) -> None:
    form = options.pop("form")
    separate = options.get("share_encoder_decoder_embeddings") is False
    tokenizer, vocabularies = tokenizers(folder, pairs, name == "languages", separate)
    pads = [table["<pad>"] for table in vocabularies]
    torch.manual_seed(SEED + len(name))
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(vocabularies[0]),
            decoder_vocab_size=len(vocabularies[1]),
            pad_token_id=pads[0],
            eos_token_id=0,
            bos_token_id=0,
            forced_eos_token_id=0,
            decoder_start_token_id=pads[1],
            max_position_embeddings=64,
            **{**SIZES, **options},
        )
    ).eval()
    model.final_logits_bias.normal_(std=0.5)
    train(model, tokenizer, pairs, pads)
    model.generation_config = GenerationConfig(
        max_length=LONGEST + 1,
        num_beams=4,
        bad_words_ids=[[pads[1]]],
        forced_eos_token_id=0,
        eos_token_id=0,
        pad_token_id=pads[1],
        decoder_start_token_id=pads[1],
    )
    if "half" in form:
        rounded(model, torch.float16)
    if "bfloat16" in form:
        rounded(model, torch.bfloat16)
    expected = run(model, tokenizer, pairs, name == "languages")
    save(model, folder, form)
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False), "utf-8")


def train(model, tokenizer, pairs: list, pads: list[int]) -> None:
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if "embed_tokens" in key or "shared" in key or "lm_head" in key:
                weight.normal_(std=SIZES["d_model"] ** -0.5)
                weight[pads[key.startswith("model.decoder")]] = 0
            elif key.endswith("bias") and "norm" not in key:
                weight.normal_(std=0.02)
    optimizer = torch.optim.Adam([w for w in model.parameters() if w.requires_grad], lr=4e-3)
    draw = random.Random(SEED)
    ids = [
        (tokenizer(source)["input_ids"], tokenizer(text_target=target)["input_ids"])
        for source, target in pairs[:LEARNT]
    ]
    model.train()
    for step in range(STEPS):
        batch = draw.sample(ids, BATCH)
        sources = padded([s for s, _ in batch], pads[0])
        inputs = padded([[pads[1], *t[:-1]] for _, t in batch], pads[1])
        labels = padded([t for _, t in batch], -100)
        # Half of what came before is hidden, so that the source must be read.
        hidden = torch.rand(inputs.shape) < 0.5
        hidden[:, 0] = False
        inputs = torch.where(hidden & (inputs != pads[1]), 1, inputs)
        found = model(
            input_ids=sources, attention_mask=(sources != pads[0]).long(), decoder_input_ids=inputs
        )
        loss = torch.nn.functional.cross_entropy(
            found.logits.flatten(0, 1), labels.flatten(), ignore_index=-100
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 99:
            print(step + 1, round(loss.item(), 3), flush=True)
    model.eval()


def padded(rows: list, value: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def rounded(model, kind: torch.dtype) -> None:
    """Rounds the weights to what a file of half the size holds; positions are no weights."""
    with torch.no_grad():
        for key, weight in [*model.named_parameters(), *model.named_buffers()]:
            if "embed_positions" not in key:
                weight.copy_(weight.to(kind).float())


def tokenizers(folder: pathlib.Path, pairs: list, languages: bool, separate: bool) -> tuple:
    models = []
    for column, side in enumerate(("source", "target")):
        written = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([pair[column] for pair in pairs]),
            model_writer=written,
            vocab_size=PIECES,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{side}.spm").write_bytes(written.getvalue())
        models.append(sentencepiece.SentencePieceProcessor(model_proto=written.getvalue()))
    sides = [
        collections.Counter(
            piece for pair in pairs for piece in model.encode(pair[column], out_type=str)
        )
        for column, model in enumerate(models)
    ]
    sides = sides if separate else [sides[0] + sides[1]]
    tables = [table(count, LANGUAGES if languages else ()) for count in sides]
    for name, found in zip(("vocab.json", "target_vocab.json"), tables, strict=False):
        (folder / name).write_text(json.dumps(found, ensure_ascii=False), "utf-8")
    settings = {"source_lang": "en", "target_lang": "fr", "separate_vocabs": separate}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return MarianTokenizer.from_pretrained(folder), [tables[0], tables[-1]]


def table(counts: collections.Counter, extra: tuple) -> dict:
    tokens = ["</s>", "<unk>", *extra, *(t for t, n in counts.most_common() if n >= MIN_COUNT)]
    return {token: i for i, token in enumerate([*tokens, "<pad>"])}


def run(model, tokenizer, pairs: list, languages: bool) -> dict:
    draw = random.Random(SEED)
    texts = [source for source, _ in draw.sample(list(pairs[:LEARNT]), 2 * TEXTS)]
    if languages:
        texts = [f"{LANGUAGES[i % 2]} {text}" for i, text in enumerate(texts)]
    found: dict = {"texts": texts, "references": [target for _, target in pairs[:8]]}
    lines = [*texts, *HOSTILE]
    found["lines"] = lines
    # Not the tokenizer's own ways back: with two vocabularies they take the wrong one.
    sources = {i: token for token, i in tokenizer.encoder.items()}
    targets = tokenizer.target_encoder if tokenizer.separate_vocabs else tokenizer.encoder
    targets = {i: token for token, i in targets.items()}

    def decode(ids: list[int]) -> str:
        pieces = [targets[i] for i in ids if targets[i] not in ("<pad>", "</s>")]
        return tokenizer.spm_target.decode_pieces(pieces)

    found["line_tokens"] = [[sources[i] for i in tokenizer(x)["input_ids"][:-1]] for x in lines]
    found["decoded"] = [
        decode(tokenizer(text_target=line)["input_ids"]) for line in found["references"]
    ]
    with torch.no_grad():
        found["logits"] = [logits(model, tokenizer, *pair) for pair in pairs[:2]]
        for name, options in SEARCHES.items():
            given = tokenizer(texts, return_tensors="pt", padding=True)
            ids = model.generate(**given, max_length=LONGEST + 1, **options).tolist()
            found[name] = [decode(row) if is_whole(row) else None for row in ids]
    kept = [i for i in range(len(texts)) if all(found[name][i] is not None for name in SEARCHES)]
    for name in ("texts", *SEARCHES):
        found[name] = [found[name][i] for i in kept[:TEXTS]]
    return found


def is_whole(row: list[int]) -> bool:
    """Returns True for a translation that ended before its longest length, which forces an eos."""
    return 0 in row[1:LONGEST]


def logits(model, tokenizer, source: str, target: str) -> dict:
    source_ids = tokenizer([source], return_tensors="pt")
    labels = tokenizer(text_target=[target], return_tensors="pt")["input_ids"]
    start = torch.tensor([[model.config.decoder_start_token_id]])
    inputs = torch.cat([start, labels[:, :-1]], 1)
    values = model(**source_ids, decoder_input_ids=inputs).logits[0].numpy()
    tokens = tokenizer.encoder if not tokenizer.separate_vocabs else tokenizer.target_encoder
    order = [token for token, _ in sorted(tokens.items(), key=lambda item: item[1])]
    return {
        "source": source,
        "target": target,
        "tokens": order,
        "values": np.round(values.astype("float64"), 6).tolist(),
    }


def save(model, folder: pathlib.Path, form: str) -> None:
    if form == "safetensors":
        model.save_pretrained(folder)
        return
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    state = dict(model.state_dict())
    if "half" in form or "bfloat16" in form:
        kind = torch.bfloat16 if "bfloat16" in form else torch.float16
        # As `save_pretrained` does, without the positions.
        state = {k: v.to(kind) for k, v in state.items() if "embed_positions" not in k}
    path = folder / "pytorch_model.bin"
    torch.save(
        collections.OrderedDict(state),
        path,
        _use_new_zipfile_serialization="legacy" not in form,
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
