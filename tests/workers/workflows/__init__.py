"""Workflows' actors, against real stores."""
