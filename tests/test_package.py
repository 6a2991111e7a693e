"""The public names: what a type checker sees is what a program gets."""

import ast
import pathlib

import keras_seq2seq


def test_type_checkers_see_every_public_name_at_its_home():
    tree = ast.parse(pathlib.Path(keras_seq2seq.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert seen == keras_seq2seq._HOME
