"""What every interface of the server shares: the queue, the limits, the keys."""

import asyncio
import dataclasses
import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.serving.plain_text import Split, split_lines
from keras_seq2seq.serving.translation_queue import QueueClosed, QueueFull, TranslationQueue
from keras_seq2seq.translation import Translation

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_LARGE = 400, 401, 403, 404, 413
CLIENT_GONE, FAILED, NOT_IMPLEMENTED, BUSY, TOO_LATE = 499, 500, 501, 503, 504
LOG = logging.getLogger("keras_seq2seq.serving")
STOPPING = "The server is stopping. Try again elsewhere."
# Waits until the client has gone.
Gone = Callable[[], Awaitable[object]]


class Refused(Exception):
    """A request that gets an error in place of an answer.

    Args:
        status: HTTP status.
        message: What the client is told.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Args:
        max_characters: int > 0. Most characters of a text.
        max_texts: int > 0. Most texts of a request, after it was split into sentences.
        max_beam_size: int, 1 to 64. Largest beam.
        max_body_bytes: int > 0. Most bytes of a request.
        seconds: float > 0. Time until a request is answered or given up.
    """

    max_characters: int = 5000
    max_texts: int = 128
    max_beam_size: int = 8
    max_body_bytes: int = 4 * 2**20
    seconds: float = 30.0

    def __post_init__(self) -> None:
        errors = [
            f"`{field.name}` must be above 0. Received: {getattr(self, field.name)}."
            for field in dataclasses.fields(self)
            if not getattr(self, field.name) > 0
        ]
        if errors:
            raise ValueError("\n".join(errors))


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """What a server says of its model.

    Args:
        name: As in `/v1/models/NAME`.
        version: int > 0. As in `/versions/VERSION`.
        languages: Codes of the source and of the target language.
        beam: The beam search that n-best lists take, apart from its sizes.
    """

    name: str = "translator"
    version: int = 1
    languages: tuple[str, str] = ("source", "target")
    beam: BeamSearch = dataclasses.field(default_factory=BeamSearch)


class TranslationService:
    """Translates the texts of requests, within limits.

    Args:
        queue: What translates.
        model: What the server says of it.
        limits: What a request may ask for.
        api_keys: Keys, one of which a request must have; with none every request is answered.
        split: Tells the lines or sentences of a text apart, where an interface does so.
    """

    def __init__(
        self,
        queue: TranslationQueue,
        model: ServedModel | None = None,
        *,
        limits: Limits | None = None,
        api_keys: Sequence[str] = (),
        split: Split = split_lines,
    ) -> None:
        self.queue = queue
        self.model = model or ServedModel()
        self.limits = limits or Limits()
        self.split = split
        self._keys = [key.encode() for key in api_keys]

    @property
    def needs_key(self) -> bool:
        """Whether requests must have a key."""
        return bool(self._keys)

    def check_key(self, key: str | None) -> None:
        """Checks the key of a request.

        Raises:
            Refused: If it is missing or wrong.
        """
        if not self._keys:
            return
        if not key:
            raise Refused(
                UNAUTHORIZED,
                'This server needs an API key: send it as "api_key", or in the header '
                '"Authorization: Bearer KEY".',
            )
        given = key.encode("utf-8", "replace")
        # All are compared, each in constant time.
        if not sum(hmac.compare_digest(given, one) for one in self._keys):
            raise Refused(FORBIDDEN, "Invalid API key")

    def n_best(self, num_hypotheses: int, **options: float) -> BeamSearch:
        """Returns the beam search for several translations of a text.

        Args:
            num_hypotheses: int > 0.
            **options: `beam_size` and `alpha`; the model's where they are left out.
        Raises:
            Refused: If the limits do not allow it.
        """
        sizes: dict[str, Any] = {"beam_size": max(self.model.beam.beam_size, num_hypotheses)}
        sizes |= {"num_hypotheses": num_hypotheses, **options}
        try:
            beam = dataclasses.replace(self.model.beam, **sizes)
        except ValueError as error:
            raise Refused(BAD_REQUEST, str(error)) from None
        if beam.beam_size > self.limits.max_beam_size:
            raise Refused(
                BAD_REQUEST,
                f"`beam_size` must be 1 to {self.limits.max_beam_size} on this server. "
                f"Received: {beam.beam_size}.",
            )
        return beam

    def check_characters(self, texts: Sequence[str]) -> None:
        """Checks the lengths of texts.

        Raises:
            Refused: If one is too long.
        """
        longest = max(map(len, texts), default=0)
        if longest > (most := self.limits.max_characters):
            raise Refused(
                BAD_REQUEST,
                f"A text must have at most {most} characters. Received: {longest}; split the text.",
            )

    async def translate(
        self, texts: Sequence[str], gone: Gone, strategy: Strategy | None = None
    ) -> list[list[Translation]]:
        """Returns the translations of each text, the best first.

        Args:
            texts: The texts.
            gone: Waits until the client has gone; then nothing is translated any more.
            strategy: What to search for; None takes the server's own.
        Raises:
            Refused: If the limits do not allow it, the queue is full, it takes too long, or the
                model fails.
        """
        self._check_texts(texts)
        try:
            futures = self.queue.submit_all(texts, strategy=strategy)
        except QueueFull:
            raise Refused(
                BUSY, f"The server is busy: {len(self.queue)} texts wait. Try again later."
            ) from None
        except QueueClosed:
            raise Refused(BUSY, STOPPING) from None
        answers: asyncio.Future[Any] = asyncio.gather(*map(asyncio.wrap_future, futures))
        leaving: asyncio.Future[Any] = asyncio.ensure_future(gone())
        try:
            await asyncio.wait(
                {answers, leaving},
                timeout=self.limits.seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            finished, has_gone = answers.done(), leaving.done()
            # What nobody waits for any more is not translated.
            answers.cancel()
            leaving.cancel()
            for future in futures:
                future.cancel()
        if finished:
            return _result(answers)
        if has_gone:
            raise Refused(CLIENT_GONE, "The client has gone.")
        raise Refused(
            TOO_LATE, f"Not translated within {self.limits.seconds:g} seconds. Try again later."
        )

    def _check_texts(self, texts: Sequence[str]) -> None:
        if len(texts) > (most := min(self.limits.max_texts, self.queue.max_queue_size)):
            raise Refused(
                BAD_REQUEST,
                f"A request must have at most {most} texts or sentences. Received: {len(texts)}; "
                "send them in several requests.",
            )
        self.check_characters(texts)
        translator = self.queue.translators[0]
        if (longest := translator.longest_source) is not None:
            tokens = max(
                map(len, translator.tokenizers.source.encode(texts, add_eos=True)), default=0
            )
            if tokens > longest:
                raise Refused(
                    BAD_REQUEST,
                    f"A text must have at most {longest} tokens, end of sentence included. "
                    f"Received: {tokens}; split the text.",
                )


def _result(answers: asyncio.Future[list[list[Translation]]]) -> list[list[Translation]]:
    try:
        return answers.result()
    except asyncio.CancelledError:  # by whoever closed the queue
        raise Refused(BUSY, STOPPING) from None
    except Exception:
        LOG.exception("A batch failed.")
        told = "The model failed on this text; the server's log says why."
        raise Refused(FAILED, told) from None
