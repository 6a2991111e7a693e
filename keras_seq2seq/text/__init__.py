"""Turns text into token ids and back: tokenizers, lines of files, sentences."""
