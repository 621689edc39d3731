"""The running whole, with real processes and real kills."""
