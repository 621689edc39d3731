"""Hostile input, item by item: `test_item_07_…` shows what becomes of the list's item 7.

The list has 65 items. What no part of ours meets yet:

    38  signed webhooks, replayed: no such part yet
    39  signed webhooks, with the wrong time or secret: no such part yet
    44  row-level security: no such part yet, one role owns the tables
    48  dashboard sessions: no such part yet
    51  login: no such part yet
    57  retention of raw webhooks: no such part yet
    60  PostgreSQL roles for each process: no such part yet
    63  object storage: no such part yet

Shown by tests that stand with what they test:

    59  a journal that is full, read-only, away or emptied: tests/journal/test_appends.py
"""
