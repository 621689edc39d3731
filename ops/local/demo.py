"""The demo account: a user, a campaign and a key to try the doors with, made on first run.

A program of its own (`python -m ops.local.demo`), so that `up` need not carry the database's
libraries around for as long as it runs.
"""

import json
from dataclasses import asdict

from base.settings import settings
from db import campaigns, keys, users
from db.connection import transaction
from ops.local.folder import DataFolder, write_private
from ops.local.greeting import Demo

_EMAIL = "demo@example.com"
_LINK = "https://example.com/offer?aff=demo"


def make(folder: DataFolder) -> Demo:
    """Add the demo's rows and keep its key in the data folder, mode 0600."""
    with transaction() as tx:
        # A user without our file: an earlier run was stopped between the two.
        user = users.find(tx, _EMAIL) or users.add(tx, _EMAIL, full_name="Demo")
        campaign = campaigns.add(tx, user.id, "Demo", _LINK)
        _, key = keys.add(tx, user.id, "demo")
    demo = Demo(_EMAIL, campaign.tracking_id or "")
    write_private(folder.demo_key_file, key)
    write_private(folder.demo_file, json.dumps(asdict(demo)))
    return demo


if __name__ == "__main__":
    make(DataFolder(settings().data_dir))
