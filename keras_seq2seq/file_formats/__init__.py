"""The formats of others, as far as writers and inspectors share their reading."""
