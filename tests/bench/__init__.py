"""The benchmark: a ruler must be right before anything is measured with it."""
