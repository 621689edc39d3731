"""Tests of what only the doors need, and of the doors themselves."""
