"""The tables and the statements on them."""
