"""Who of many may begin how many things."""

from rules.shares import dealt


def test_users_of_a_lane_share_its_room() -> None:
    found = dealt([("a", 1), ("a", 2), ("a", 3)], 100, {"a": 8}, {1: 99, 2: 99, 3: 99})

    assert found == [(("a", 1), 3), (("a", 2), 3), (("a", 3), 2)]


def test_a_lane_without_room_gets_nothing_and_takes_nothing() -> None:
    found = dealt([("full", 1), ("a", 1)], 4, {"full": 0, "a": 8}, {1: 99})

    assert found == [(("a", 1), 4)]


def test_no_user_gets_more_than_their_room() -> None:
    pairs = [(str(lane), 1) for lane in range(50)] + [("z", 2)]

    found = dict(dealt(pairs, 512, {lane: 8 for lane, _ in pairs}, {1: 16, 2: 16}))

    assert sum(share for (_, user), share in found.items() if user == 1) == 16
    assert found["z", 2] == 8


def test_all_get_one_before_anybody_gets_two() -> None:
    found = dealt(
        [("a", 1), ("b", 2), ("c", 3)], 4, dict.fromkeys("abc", 8), dict.fromkeys((1, 2, 3), 8)
    )

    assert [share for _, share in found] == [2, 1, 1]
