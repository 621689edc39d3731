"""Actors, one noun a file."""
