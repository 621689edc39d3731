"""Who PostgreSQL runs as: it refuses root, and needs a user with an entry in /etc/passwd."""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base.errors import HopfleetError

_USER = "hopfleet"
# Where root keeps what an unprivileged user must reach when the data folder is out of its reach
# (under root's 0700 home, for instance); opening root's home instead would be rude.
_OUTSIDE = Path("/var/lib/hopfleet")


@dataclass(frozen=True)
class Account:
    """Ours (`dropped` is false), or the system user that root hands PostgreSQL to."""

    uid: int
    gid: int
    dropped: bool

    @property
    def options(self) -> dict[str, Any]:
        """Arguments for `subprocess` that run a program as this account."""
        if not self.dropped:
            return {"umask": 0o077}
        return {
            "user": self.uid,
            "group": self.gid,
            "extra_groups": [],
            "umask": 0o077,
            "cwd": "/",
        }

    @property
    def owner(self) -> tuple[int, int] | None:
        """(uid, gid) to give files to; `None` when they are ours anyway."""
        return (self.uid, self.gid) if self.dropped else None

    def reaches(self, path: Path) -> bool:
        """Whether this account may enter the folder, or run the program, at `path`."""
        if not self.dropped:
            return os.access(path, os.X_OK)
        return subprocess.run(["test", "-x", str(path)], **self.options).returncode == 0

    def folder(self, path: Path) -> Path:
        """Make `path` this account's own, mode 0700."""
        path.mkdir(parents=True, exist_ok=True)
        if self.dropped:
            os.chown(path, self.uid, self.gid)
        path.chmod(0o700)
        return path


def account(data: Path) -> Account:
    """The account for the server whose data lies in `data`; its owner when it exists already."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), dropped=False)
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, dropped=True)
    user = _system_user()
    return Account(user.pw_uid, user.pw_gid, dropped=True)


def home(folder: Path, account: Account) -> Path:
    """`folder`, or where its contents live instead when the account cannot reach it.

    The other place is remembered in `folder`/moved-to.
    """
    pointer = folder / "moved-to"
    folder.mkdir(parents=True, exist_ok=True)
    if (other := elsewhere(folder)) is not None:
        if not other.is_dir():
            raise HopfleetError(
                f"PostgreSQL's data was kept in {other}, which is gone: bring it back, or remove"
                f" {folder} to begin anew."
            )
        return account.folder(other)
    if account.reaches(folder.parent):
        return account.folder(folder)
    # A name that never comes again: whoever removes the data folder begins anew.
    other = account.folder(outside() / secrets.token_hex(8))
    pointer.write_text(str(other))
    return other


def elsewhere(folder: Path) -> Path | None:
    """Where the contents of `folder` live when not in it."""
    try:
        return Path((folder / "moved-to").read_text())
    except OSError:
        return None


def outside() -> Path:
    """A folder of root's that everybody may pass through."""
    _OUTSIDE.mkdir(parents=True, exist_ok=True)
    _OUTSIDE.chmod(0o755)
    return _OUTSIDE


def forget(folder: Path) -> None:
    """Remove `folder`, and the contents of it and of its folders that live elsewhere."""
    for place in (folder, *folder.glob("*/")):
        if (other := elsewhere(place)) is not None:
            shutil.rmtree(other, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _system_user() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(_USER)
    with contextlib.suppress(OSError):
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _USER],
            capture_output=True,
            check=False,
        )
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        return pwd.getpwnam("nobody")
