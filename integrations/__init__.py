"""The outside world, one service a file; knows no rows."""
