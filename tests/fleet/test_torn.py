"""A journal that starts again with less than it was sure of: the rest is stored, the loss is told.

Valkey drops an unfinished command at the end of its file and goes on. What was acked is synced
before, so a crash tears nothing acked; only a disk that lies, or a person, takes that away.
"""

import os

from tests.fleet.program import until
from tests.fleet.store_faults import append_file
from tests.fleet.test_audit import _audit, _told
from tests.fleet.wired import Wired


def test_what_a_lying_disk_lost_is_missing_in_the_audit(wired: Wired) -> None:
    campaign = wired.campaign()
    wired.until_drained()
    wired.kill("worker", "scheduler")
    before = wired.sql("SELECT coalesce(sum(acked), 0)::bigint FROM door_counts")[0][0]
    acked = [wired.click(campaign["tracking_id"]).click_id for _ in range(3)]
    wired.kill("journal")
    file = append_file(wired)
    os.truncate(file, file.stat().st_size - 10)

    wired.start("journal", "worker", "scheduler")
    wired.until_ready()
    wired.until_drained()

    assert sorted(wired.stored(campaign["user_id"])) == sorted(map(str, acked[:2]))
    until(lambda: _told(wired, before + len(acked)), 30, "the door has told")
    assert _audit(wired)["missing"] == 1
