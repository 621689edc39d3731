"""What a folder of spools is called, also when another container or host takes it over."""

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

_FILE = "place"


def place(root: Path, *, make: bool = False) -> str:
    """The folder's name, which says where it was first; `make` writes it down for whoever comes.

    Until it is written down, or while the disk takes nothing, it is where the folder is now.
    """
    here = f"{socket.gethostname()}:{root.resolve()}"
    if make and not (root / _FILE).exists():
        with suppress(OSError):
            _write(root, here)
    try:
        return (root / _FILE).read_text("utf-8") or here
    except OSError:
        return here


def _write(root: Path, here: str) -> None:
    """Whole or not at all; whoever was quicker wins."""
    fresh = root / f"{_FILE}.{secrets.token_hex(4)}"
    try:
        fresh.write_text(f"{here} ({secrets.token_hex(4)})", "utf-8")
        os.link(fresh, root / _FILE)
    finally:
        fresh.unlink(missing_ok=True)
