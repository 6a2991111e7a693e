"""Models that other projects trained, read into a `Seq2Seq`."""
