"""Dense columns: dictionaries from bytes to small integers, byte arenas."""
