"""The usual way, for comparison: FastAPI, one message per click, one insert per message."""
