"""What a server measures, in the form of Prometheus."""

from collections.abc import Iterator
from typing import Any

from keras_seq2seq.installed import missing_package
from keras_seq2seq.serving.translation_queue import TranslationQueue

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counts and times requests, and reads the counts of a queue.

    Args:
        queue: The queue.
    Raises:
        ImportError: If prometheus-client is not installed.
    """

    def __init__(self, queue: TranslationQueue) -> None:
        try:
            import prometheus_client
        except ImportError as error:
            what = "Metrics need prometheus-client"
            raise missing_package(what, "serve", error) from error
        self._client = prometheus_client
        self._registry = prometheus_client.CollectorRegistry(auto_describe=False)
        options: dict[str, Any] = {"namespace": "keras_seq2seq", "registry": self._registry}
        self._requests = prometheus_client.Counter(
            "requests",
            "Requests by what they asked for and their HTTP status.",
            ("endpoint", "status"),
            **options,
        )
        self._seconds = prometheus_client.Histogram(
            "request_seconds",
            "Time from a request to its answer.",
            ("endpoint",),
            buckets=SECONDS,
            **options,
        )
        self.in_flight = prometheus_client.Gauge(
            "requests_in_flight", "Requests that wait for their answer.", **options
        )
        self._registry.register(_QueueCollector(queue))

    def observe(self, endpoint: str, status: int, seconds: float) -> None:
        """Notes an answer.

        Args:
            endpoint: What the request asked for, one of a few names.
            status: HTTP status.
            seconds: Time that it took.
        """
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def rendered(self) -> tuple[bytes, str]:
        """Returns all metrics, and the type of this content."""
        content = self._client.generate_latest(self._registry)
        return content, self._client.CONTENT_TYPE_LATEST


class _QueueCollector:
    """Reads the counts of a queue when they are asked for."""

    def __init__(self, queue: TranslationQueue) -> None:
        self.queue = queue

    def collect(self) -> Iterator[Any]:
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        counts = self.queue.counts
        yield GaugeMetricFamily("keras_seq2seq_queue_size", "Texts that wait.", len(self.queue))
        yield GaugeMetricFamily(
            "keras_seq2seq_queue_limit", "Most texts that may wait.", self.queue.max_queue_size
        )
        texts = CounterMetricFamily(
            "keras_seq2seq_texts", "Texts by what became of them.", labels=["outcome"]
        )
        for outcome in ("translated", "failed", "cancelled", "refused"):
            texts.add_metric([outcome], getattr(counts, outcome))
        yield texts
        yield CounterMetricFamily("keras_seq2seq_batches", "Batches.", counts.batches)
        yield CounterMetricFamily(
            "keras_seq2seq_batch_seconds", "Time that all workers have worked.", counts.seconds
        )
