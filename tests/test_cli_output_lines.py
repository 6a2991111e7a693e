import os
import resource
import select
import threading

import pytest

from keras_seq2seq.cli.output_lines import OutputLines, _chunks


@pytest.mark.parametrize("sizes", [[], [1], [4096], [4095, 1, 1], [5000, 3, 9000], [1] * 9000])
def test_chunks_are_whole_lines_that_a_pipe_takes_at_once(sizes):
    lines = [b"x" * (size - 1) + b"\n" for size in sizes]
    chunks = list(_chunks(lines))
    assert b"".join(chunks) == b"".join(lines)
    for chunk in chunks:
        assert chunk.endswith(b"\n")
        assert len(chunk) <= select.PIPE_BUF or chunk.count(b"\n") == 1


def test_a_full_file_ends_with_a_whole_line(tmp_path):
    path = tmp_path / "out"
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    with path.open("wb", buffering=0) as file:
        output = OutputLines(file, "out")
        output.write(["first"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, former[1]))
        try:
            with pytest.raises(OSError, match="large; it has 3 whole lines of translations: 'out'"):
                output.write(["second", "third", "fourth"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert path.read_bytes() == b"first\nsecond\nthird\n"


def test_a_pipe_that_does_not_wait_gets_everything():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    received = []

    def read():
        with open(reading, "rb") as source:
            received.append(source.read())

    reader = threading.Thread(target=read)
    with open(writing, "wb", buffering=0) as sink:
        reader.start()
        OutputLines(sink, "pipe").write(["line"] * 100_000)
    reader.join()
    assert received == [b"line\n" * 100_000]
