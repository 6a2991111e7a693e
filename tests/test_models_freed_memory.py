import platform

import keras
import pytest
from c_malloc import filled, free, libc
from conftest import word_pairs, word_tokenizers
from light_model import light_model

from keras_seq2seq import PairBatches
from keras_seq2seq.models import malloc

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")

PAIRS = word_pairs(20, seed=5, longest=8)
LARGE = 60 << 20  # bytes, never touched; a heap of an arena of threads holds 64 MiB
MMAP_THRESHOLD = -3


class LowThreshold(keras.callbacks.Callback):
    """Sets malloc's threshold as TensorFlow does where it begins to read from a generator."""

    def on_epoch_begin(self, epoch, logs=None):
        lower_threshold()

    def on_test_begin(self, logs=None):
        lower_threshold()


def lower_threshold():
    assert libc().mallopt(MMAP_THRESHOLD, 128 << 10) == 1


def large_blocks_are_mapped():
    """Tells whether large blocks get maps of their own, which free gives back to the kernel."""
    before = libc().mallinfo2().maps
    blocks = filled(LARGE, enough=LARGE // 2)
    maps = libc().mallinfo2().maps
    free(blocks)
    return maps > before


@pytest.fixture(autouse=True)
def no_values_of_the_user(monkeypatch):
    for name in ("GLIBC_TUNABLES", *malloc.OF_USERS):
        monkeypatch.delenv(name, raising=False)
    malloc.glibc.cache_clear()
    yield
    malloc.glibc.cache_clear()


def batches():
    return PairBatches(PAIRS, word_tokenizers(), tokens_per_batch=40, num_shapes=1)


@pytest.mark.parametrize("call", ["fit", "evaluate", "fit of arrays"])
def test_a_step_finds_what_the_last_one_freed(call):
    model, data = light_model(), batches()
    if call == "fit of arrays":
        x, y = data.batch(0, 0)[:2]
        model.fit(x, y, callbacks=[LowThreshold()], verbose=0)
    else:
        getattr(model, call)(data, callbacks=[LowThreshold()], verbose=0)
    assert not large_blocks_are_mapped()


def test_steps_after_a_validation_find_it_too():
    class AtTheEnd(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            found.append(large_blocks_are_mapped())

        def on_test_batch_end(self, batch, logs=None):
            found.append(large_blocks_are_mapped())

    found = []
    callbacks = [LowThreshold(), AtTheEnd()]
    light_model().fit(
        batches(), epochs=2, validation_data=batches(), callbacks=callbacks, verbose=0
    )
    assert len(found) > 8
    assert not any(found)


def test_other_settings_of_the_c_library_change_nothing(monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.rtld.nns=2")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    light_model().fit(batches(), callbacks=[LowThreshold()], verbose=0)
    assert not large_blocks_are_mapped()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_max=9:glibc.rtld.nns=2"),
        *((name, "4096") for name in malloc.OF_USERS),
    ],
)
def test_values_of_the_user_stay(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    light_model().fit(batches(), callbacks=[LowThreshold()], verbose=0)
    assert large_blocks_are_mapped()
