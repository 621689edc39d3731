"""Workflows: due times and events become runs, runs are carried out step by step."""
