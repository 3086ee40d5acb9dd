"""Frozen nouns of the plant."""
