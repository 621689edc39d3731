"""Per noun, the table and the statements on it; never commits."""
