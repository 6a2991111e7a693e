"""A bundle on disk: its manifest, its files, and the runtime that each is for."""
