"""Runs the command line: python -m keras_seq2seq.cli."""

import sys

from keras_seq2seq.cli.main import main

sys.exit(main())
