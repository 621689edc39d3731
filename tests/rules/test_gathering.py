"""Gathering, with the clock in hand: after a silence, once a time, once per so many."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules.gathering import MOST_EVENTS, Gather, Gathered, fire, is_plain, take
from schemas.triggers import EventTrigger

START = datetime(2026, 1, 1, tzinfo=UTC)


def trigger(**controls: Any) -> EventTrigger:
    return EventTrigger.model_validate({"event": "click"} | controls)


def facts(first: int, last: int | None = None) -> list[Gathered]:
    return [Gathered(n, 0, None, {"n": n}) for n in range(first, (last or first) + 1)]


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_without_controls_each_fires_alone() -> None:
    assert is_plain(trigger())
    assert is_plain(trigger(debounce_seconds=0))
    assert not is_plain(trigger(batch=1))


def test_a_silence_is_waited_for_after_the_last_one() -> None:
    controls = trigger(debounce_seconds=60)

    gather, fired = take(controls, Gather(), facts(1), START)
    gather, again = take(controls, gather, facts(2, 3), after(50))
    _, late = fire(gather, after(110))

    assert (fired, again) == ([], [])
    assert gather.due_at == after(110)
    assert [(one.number, one.last.id) for one in late] == [(3, 3)]


def test_a_stream_without_silence_fires_after_ten_times() -> None:
    controls = trigger(debounce_seconds=60)
    gather = Gather()
    for second in range(0, 590, 10):
        gather, _ = take(controls, gather, facts(second + 1), after(second))

    assert gather.due_at == after(600)


def test_once_a_time_fires_the_first_at_once_and_the_others_at_its_end() -> None:
    controls = trigger(throttle_seconds=60)

    gather, first = take(controls, Gather(), facts(1, 3), START)
    gather, none = take(controls, gather, facts(4), after(30))
    due_at = gather.due_at
    gather, rest = fire(gather, after(60))
    gather, soon = take(controls, gather, facts(5), after(90))

    assert [one.number for one in first] == [1]
    assert (none, soon) == ([], [])
    assert due_at == after(60)
    assert [(one.number, one.last.id) for one in rest] == [(3, 4)]
    assert gather.due_at == after(120)


def test_after_a_quiet_time_the_next_fires_at_once() -> None:
    controls = trigger(throttle_seconds=60)
    gather, _ = take(controls, Gather(), facts(1), START)

    gather, fired = take(controls, gather, facts(2), after(60))

    assert [one.last.id for one in fired] == [2]
    assert gather.due_at is None


def test_what_waits_fires_at_its_time_though_the_time_has_passed() -> None:
    controls = trigger(throttle_seconds=60)
    gather, _ = take(controls, Gather(), facts(1, 2), START)

    gather, fired = take(controls, gather, facts(3), after(300))  # nobody had come by

    assert fired == []
    assert gather.number == 2
    assert gather.due_at == after(60)


def test_a_batch_fires_once_per_so_many() -> None:
    gather, fired = take(trigger(batch=100), Gather(), facts(1, 250), START)

    assert [(one.number, one.last.id) for one in fired] == [(100, 100), (100, 200)]
    assert (gather.number, gather.due_at) == (50, None)


def test_an_incomplete_batch_fires_after_its_time() -> None:
    controls = trigger(batch=100, batch_seconds=60)

    gather, _ = take(controls, Gather(), facts(1, 30), START)
    gather, _ = take(controls, gather, facts(31), after(50))

    assert gather.due_at == after(60)
    assert [one.number for one in fire(gather, after(60))[1]] == [31]


def test_of_many_the_last_hundred_are_kept_in_their_order() -> None:
    gather, (fired,) = take(trigger(batch=1000), Gather(), facts(1, 1000)[::-1], START)

    assert fired.number == 1000
    assert [one.id for one in fired.events] == list(range(1001 - MOST_EVENTS, 1001))
    assert gather.events == ()


def test_the_deepest_of_its_causes_counts() -> None:
    new = [Gathered(1, 5, None, {}), Gathered(2, 0, None, {})]

    _, (fired,) = take(trigger(batch=2), Gather(), new, START)

    assert fired.depth == 5


@given(
    st.sampled_from([{"batch": 3}, {"batch": 7, "batch_seconds": 5}, {"throttle_seconds": 10},
                     {"debounce_seconds": 4}]),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20)), max_size=20),
)  # fmt: skip
def test_nothing_is_lost_and_nothing_fires_twice(
    controls: dict[str, Any], steps: list[tuple[int, int]]
) -> None:
    gather, fired, told, second = Gather(), [], 0, 0.0
    for count, pause in steps:
        second += pause
        if gather.due_at is not None and gather.due_at <= after(second):
            gather, more = fire(gather, after(second))
            fired += more
        new = facts(told + 1, told + count) if count else []
        told += count
        gather, more = take(trigger(**controls), gather, new, after(second))
        fired += more

    ids = [one.id for each in fired for one in each.events] + [one.id for one in gather.events]
    assert sorted(ids) == list(range(1, told + 1))
    assert sum(one.number for one in fired) + gather.number == told
