"""Hostile input, item by item."""
