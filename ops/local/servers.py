"""The embedded servers by name: PostgreSQL, the journal, and the store of broker and cache.

server = start_postgres(folder)      # or start_journal, start_broker; port 0 picks one
server.url, server.process           # an address with its password; a Popen
server.kill(); start_postgres(folder)  # `kill -9`, and it comes back with its data
server.stop(); forget(folder)
"""

from ops.local.postgres import start_postgres
from ops.local.server import Hooks, NotStarted, Server
from ops.local.unprivileged import forget
from ops.local.valkey import start_broker, start_journal

__all__ = [
    "Hooks",
    "NotStarted",
    "Server",
    "forget",
    "start_broker",
    "start_journal",
    "start_postgres",
]
