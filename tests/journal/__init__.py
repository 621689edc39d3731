"""Tests of the durable way in."""
