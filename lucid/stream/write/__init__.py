"""Crops out: output formats, the journal of an unfinished run, what identifies it."""
