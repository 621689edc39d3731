"""Upkeep, one chore a file."""
