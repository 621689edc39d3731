"""The family of errors: who is whose child decides what is tried again."""

import pytest

from base import errors
from journal.spool import SpoolFull


@pytest.mark.parametrize("child", [errors.StoreAway, errors.JournalRefused, SpoolFull])
def test_a_world_that_was_not_ready_is_transient(child: type[Exception]) -> None:
    assert issubclass(child, errors.Transient)


def test_input_that_breaks_a_rule_is_permanent() -> None:
    assert issubclass(errors.Refused, errors.Permanent)


def test_nothing_is_both_transient_and_permanent() -> None:
    family = [one for one in vars(errors).values() if isinstance(one, type)]

    assert all(issubclass(one, errors.HopfleetError) for one in family)
    assert not any(
        issubclass(one, errors.Transient) and issubclass(one, errors.Permanent) for one in family
    )
