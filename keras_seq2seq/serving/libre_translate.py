"""LibreTranslate's interface, so that its clients can ask this server too."""

from collections.abc import Callable, Mapping
from typing import Any

from keras_seq2seq.serving.html_text import HtmlText, NoAlignment
from keras_seq2seq.serving.plain_text import PlainText, Split
from keras_seq2seq.serving.service import (
    BAD_REQUEST,
    NOT_IMPLEMENTED,
    Gone,
    Refused,
    TranslationService,
)
from keras_seq2seq.text.languages import language_name
from keras_seq2seq.text.lines import clean_text
from keras_seq2seq.translation import Translation

FORMATS: Mapping[str, Callable[[str, Split], PlainText | HtmlText]] = {
    "text": PlainText.of,
    "html": HtmlText.of,
}


class LibreTranslate:
    """Answers requests as LibreTranslate does, for one pair of languages.

    Args:
        service: What translates.
    """

    def __init__(self, service: TranslationService) -> None:
        self.service = service

    def languages(self) -> list[dict[str, Any]]:
        """Returns the answer to `/languages`."""
        source, target = self.service.model.languages
        targets = {source: [target], target: []}
        return [
            {"code": code, "name": language_name(code), "targets": found}
            for code, found in targets.items()
        ]

    def settings(self) -> dict[str, Any]:
        """Returns the answer to `/frontend/settings`."""
        source, target = (
            {"code": code, "name": language_name(code)} for code in self.service.model.languages
        )
        return {
            "charLimit": self.service.limits.max_characters,
            "frontendTimeout": 500,
            "apiKeys": self.service.needs_key,
            "keyRequired": self.service.needs_key,
            "suggestions": False,
            "supportedFilesFormat": [],
            "language": {"source": source, "target": target},
        }

    def detect(self) -> None:
        """Refuses `/detect`.

        Raises:
            Refused: Always.
        """
        source, target = self.service.model.languages
        raise Refused(
            NOT_IMPLEMENTED,
            f"This server detects no languages: it translates from {source!r} to {target!r} only.",
        )

    async def translate(self, fields: Mapping[str, Any], gone: Gone) -> dict[str, Any]:
        """Returns the answer to `/translate`.

        Args:
            fields: q (a text or a list of texts), source, target, format ("text" or "html") and
                alternatives (int >= 0).
            gone: Waits until the client has gone.
        Raises:
            Refused: If a field is missing or invalid.
        """
        alternatives = self._checked(fields)
        given: Any = fields["q"]
        batch = isinstance(given, list)
        texts: list[Any] = given if batch else [given]
        if not all(isinstance(text, str) for text in texts):
            raise Refused(BAD_REQUEST, "Invalid request: q must be a text or a list of texts")
        self.service.check_characters(texts)
        read = FORMATS[str(fields.get("format") or "text")]
        documents = [read(clean_text(text), self.service.split) for text in texts]
        found = iter(
            await self.service.translate(
                [text for one in documents for text in one.texts],
                gone,
                self.service.n_best(alternatives + 1) if alternatives else None,
            )
        )
        answers = []
        for one in documents:
            n_bests = [next(found) for _ in one.texts]
            count = min(alternatives + 1, max(map(len, n_bests), default=1))
            try:
                answers.append([one.joined(_ranked(n_bests, rank)) for rank in range(count)])
            except NoAlignment as error:
                raise Refused(BAD_REQUEST, str(error)) from None
        columns: dict[str, list[Any]] = {"translatedText": [best for best, *_ in answers]}
        if alternatives:
            columns["alternatives"] = [others for _, *others in answers]
        return columns if batch else {name: column[0] for name, column in columns.items()}

    def _checked(self, fields: Mapping[str, Any]) -> int:
        """Checks the other fields; returns the number of alternatives."""
        for name in ("q", "source", "target"):
            if not fields.get(name):
                raise Refused(BAD_REQUEST, f"Invalid request: missing {name} parameter")
        for name, code in zip(("source", "target"), self.service.model.languages, strict=True):
            if str(fields[name]).lower() == code.lower():
                continue
            told = f"{fields[name]} is not supported: `{name}` must be {code!r}"
            if fields[name] == "auto":
                told += "; this server detects no languages"
            raise Refused(BAD_REQUEST, told)
        kind = str(fields.get("format") or "text")
        if kind not in FORMATS:
            raise Refused(BAD_REQUEST, f"{kind} format is not supported")
        given = fields.get("alternatives") or 0
        try:
            alternatives = int(given)
        except (TypeError, ValueError, OverflowError):
            alternatives = -1
        most = self.service.limits.max_beam_size - 1
        if not 0 <= alternatives <= most:
            raise Refused(
                BAD_REQUEST, f"Invalid request: alternatives must be 0 to {most}. Received: {given}"
            )
        return alternatives


def _ranked(n_bests: list[list[Translation]], rank: int) -> list[Translation]:
    """Returns a translation of each sentence: that of a rank, or the last one."""
    return [found[min(rank, len(found) - 1)] for found in n_bests]
