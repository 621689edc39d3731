"""Tests of the command line: each command as a person or a script types it."""
