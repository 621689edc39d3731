"""Tests of what everybody stands on."""
