import os
import threading

import pytest

from keras_seq2seq.cli.read_ahead import groups


def lines(count):
    return [b"%d\n" % i for i in range(count)]


@pytest.mark.parametrize(("count", "most"), [(0, 3), (1, 3), (7, 3), (1000, 64), (5, 1)])
def test_every_line_comes_once_and_in_order(count, most):
    found = list(groups(lines(count), most))
    assert [line for group in found for line in group] == lines(count)
    assert all(1 <= len(group) <= most for group in found)


def test_a_line_comes_before_the_next_is_written():
    reading, writing = os.pipe()
    with open(reading, "rb") as source, open(writing, "wb", buffering=0) as sink:
        found = groups(source, 100)
        for line in lines(3):
            sink.write(line)
            assert next(found) == [line]
        sink.close()
        assert next(found, None) is None


def test_no_more_than_a_window_is_read_ahead():
    taken, blocked = [], threading.Event()

    def source():
        for line in lines(100):
            taken.append(line)
            yield line
            if len(taken) == 6:
                blocked.set()

    found = groups(source(), 5)
    next(found)
    blocked.wait(5)
    assert len(taken) <= 12
    found.close()


def test_what_reading_raises_comes_after_the_lines():
    def source():
        yield b"one\n"
        raise OSError("the disk is gone")

    found = groups(source(), 4)
    assert next(found) == [b"one\n"]
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)


def test_a_window_is_positive():
    with pytest.raises(ValueError, match="`window` must be at least 1. Received: 0"):
        next(groups([], 0))
