import re

import pytest

from keras_seq2seq.bundles.manifest import schema
from keras_seq2seq.text.languages import CODE, NAMES, language_errors, language_name


def test_the_manifest_takes_the_same_codes():
    assert schema()["$defs"]["language"]["pattern"] == f"^{CODE.pattern}$(?!\\n)"
    assert len(NAMES) > 50 and not language_errors(list(NAMES)[:2], "`languages`")


@pytest.mark.parametrize(
    ("code", "name"),
    [("en", "English"), ("FR", "French"), ("zh-Hans", "Chinese (Hans)"), ("source", "source")],
)
def test_languages_have_names(code, name):
    assert language_name(code) == name


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        ("en", "`languages` must be the codes of the source and of the target, .*Received: 'en'"),
        (["en"], "Received: \\['en'\\]"),
        (["en", "f"], "must be codes of languages .BCP 47.* Received: 'f'"),
        (["en", "fr\n"], "Received: 'fr\\\\n'"),
        (["e n", 3], "Received: 'e n'.*Received: 3"),
    ],
)
def test_errors(languages, message):

    assert re.search(message, " ".join(language_errors(languages, "`languages`")))
