"""The audit's arithmetic."""

from rules.audit import balance, sums


def test_what_was_acked_and_is_stored_held_or_waiting_balances() -> None:
    told = {(7, "r"): (10, 10, 0, 2)}
    found = {(7, "r", "stored"): 5, (7, "r", "duplicate"): 1, (7, "r", "gone"): 1,
             (7, "r", "dead"): 1, (7, "r", "deferred"): 1, (7, "r", "waiting"): 1}  # fmt: skip

    (line,) = balance(told, found, None)

    assert (line.minute, line.door, line.acked, line.dropped) == (7, "r", 10, 2)
    assert (line.missing, line.surplus, line.unanswered) == (0, 0, 0)


def test_an_acked_item_that_is_nowhere_is_missing() -> None:
    (line,) = balance({(7, "r"): (10, 10, 0, 0)}, {(7, "r", "stored"): 9}, None)

    assert (line.missing, line.surplus) == (1, 0)


def test_an_unanswered_item_may_be_stored_or_not() -> None:
    told = {(7, "r"): (10, 8, 0, 0)}

    stored = balance(told, {(7, "r", "stored"): 10}, None)
    lost = balance(told, {(7, "r", "stored"): 8}, None)

    assert [(line.unanswered, line.missing, line.surplus) for line in stored + lost] == [
        (2, 0, 0), (2, 0, 0)
    ]  # fmt: skip


def test_what_was_surely_refused_and_is_there_is_a_surplus() -> None:
    (line,) = balance({(7, "r"): (10, 8, 2, 2)}, {(7, "r", "stored"): 9}, None)

    assert (line.missing, line.surplus, line.unanswered) == (0, 1, 0)


def test_what_is_missing_while_another_hosts_spool_is_full_may_lie_there() -> None:
    told = {(6, "r"): (3, 3, 0, 0), (7, "r"): (3, 3, 0, 0)}

    lines = balance(told, {}, 7)

    assert [(line.missing, line.elsewhere) for line in lines] == [(3, 0), (0, 3)]


def test_items_of_an_older_release_are_shown_and_never_doubted() -> None:
    (line,) = balance({}, {(7, "?", "stored"): 9}, None)

    assert (line.stored, line.missing, line.surplus) == (9, 0, 0)


def test_doors_are_summed_over_minutes() -> None:
    told = {(6, "r"): (3, 3, 0, 0), (7, "r"): (4, 4, 0, 0), (7, "p"): (1, 1, 0, 0)}

    pixel, redirect = sums(balance(told, {(7, "r", "stored"): 4}, None))

    assert (pixel.door, pixel.acked, pixel.missing) == ("p", 1, 1)
    assert (redirect.door, redirect.acked, redirect.stored, redirect.missing) == ("r", 7, 4, 3)
