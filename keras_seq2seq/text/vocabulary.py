"""The special ids, and how many ids a vocabulary may have."""

PAD_ID, UNK_ID, BOS_ID, EOS_ID = 0, 1, 2, 3


MAX_VOCABULARY_SIZE = 1_000_000
