"""Every public name of the package says what it is."""

import functools
import importlib
import inspect
import pkgutil

import keras_seq2seq

KINDS = (property, functools.cached_property, classmethod, staticmethod)


def modules():
    """Yields every module; one that needs a package that is not installed is left out."""
    for found in pkgutil.walk_packages(keras_seq2seq.__path__, "keras_seq2seq."):
        if found.name.endswith("__main__"):
            continue
        try:
            yield importlib.import_module(found.name)
        except ImportError as error:
            if (error.name or "").startswith("keras_seq2seq"):
                raise


def undocumented(module):
    """Yields the public names of a module, and of its classes, without documentation."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value) and not inspect.getdoc(value):
            yield name
        if inspect.isclass(value):
            text = value.__doc__ or ""
            if not text or text.startswith(f"{name}("):  # what a dataclass makes up
                yield name
            for member, found in vars(value).items():
                if member.startswith("_") or is_hook(value, member):
                    continue
                is_callable = inspect.isfunction(found) or isinstance(found, KINDS)
                if is_callable and not inspect.getdoc(getattr(value, member)):
                    yield f"{name}.{member}"


def is_hook(cls, name):
    """Returns True for what a class of another package calls, such as `call` of a Keras layer.

    The docstring of the class tells its arguments.
    """
    bases = (base for base in cls.__mro__[1:] if hasattr(base, name))
    return any(not base.__module__.startswith("keras_seq2seq") for base in bases)


def test_every_public_name_is_documented():
    missing = {m.__name__: found for m in modules() if (found := sorted(undocumented(m)))}
    assert missing == {}


def test_a_missing_text_is_found():
    assert list(undocumented(importlib.import_module("test_documentation"))) == [
        "test_every_public_name_is_documented",
        "test_a_missing_text_is_found",
    ]
