"""Writes what MarianTokenizer makes of hostile lines, by the small models of the tests:

    python write_pretrained_hostile.py pretrained_hf.tar.xz pretrained_hf_hostile.json

Needs transformers 5.24, which no test needs.
"""

import json
import pathlib
import sys
import tarfile
import tempfile

from transformers import MarianTokenizer

LINES = [
    "",
    " ",
    "\u3000\u2003\t",
    "They\x00 are\x01 watching\x1b[31m.\x7f",
    "They\r are\x85 watching\u2028.\u2029",
    "\u202eThey\u202c are\u200d \u2066watching\u2069.",
    "\ufeff\u200b\u202ethe\ufffd\uffff\x01\x7f",
    "👩‍👩‍👧 🇫🇷 👍🏽 !",
    "They 👍 are 👍🏽 watching.",
    "zebra ☂ 日本語 العربية हिन्दी",
    "𝄞 \U000e0001 \U0010ffff",
    "Z̸̧̛a͠l̶g̵o̷ e\u0301 ﬁ ① ½ ｆｕｌｌ İı",
    "<unk> <pad> <s> <0x41> ▁",
    "▁They▁are ▁ watching.",
    ">>fra<< >>xyz<< They are",
    "https://example.org/a?b=c&d=%20#e user@example.org",
    "1234567890 1,000.50 −5 €",
    "xqzwk" * 30,
    "They are watching. " * 60,
]


def main() -> None:
    found = {"lines": LINES, "tokens": {}}
    with tempfile.TemporaryDirectory() as room:
        with tarfile.open(sys.argv[1]) as archive:
            archive.extractall(room, filter="data")
        for folder in sorted(pathlib.Path(room, "pretrained_hf").iterdir()):
            tokenizer = MarianTokenizer.from_pretrained(folder)
            tokens = {i: token for token, i in tokenizer.encoder.items()}
            ids = [tokenizer(line)["input_ids"][:-1] for line in LINES]
            found["tokens"][folder.name] = [[tokens[i] for i in row] for row in ids]
    text = json.dumps(found, ensure_ascii=False, indent=0)
    pathlib.Path(sys.argv[2]).write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
