"""Tests of what speaks to other companies."""
