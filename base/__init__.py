"""What everybody stands on: settings, logs, clock, ids, errors."""
