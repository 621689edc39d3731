"""What lies in a host's spools and nobody looks after; looking changes nothing."""

import fcntl
import os
from pathlib import Path

from journal.spool import segments


def abandoned(root: Path) -> list[Path]:
    """Folders with segments whose door has ended, until another one adopts them."""
    return [folder for folder in _folders(root) if segments(folder) and not _held(folder)]


def damaged(root: Path) -> list[Path]:
    """Segments that could not be read to the end; what could be read is in the journal."""
    return sorted(root.glob("*/*.damaged"))


def _folders(root: Path) -> list[Path]:
    return sorted(one for one in root.iterdir() if one.is_dir()) if root.is_dir() else []


def _held(folder: Path) -> bool:
    try:
        file = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
