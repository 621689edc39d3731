"""Shapes of what crosses a border; no I/O."""
