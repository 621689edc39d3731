"""Shares: who of many may begin how many things, when there is less room than is wanted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

Lane = TypeVar("Lane")
User = TypeVar("User")


def dealt(
    pairs: Iterable[tuple[Lane, User]],
    room: int,
    lane_room: Mapping[Lane, int],
    user_room: Mapping[User, int],
) -> list[tuple[tuple[Lane, User], int]]:
    """One for each pair in turn, until there is no room for more; each pair with its share.

    No lane and no user gets more than their room.
    """
    lanes, users = dict(lane_room), dict(user_room)
    shares: Counter[tuple[Lane, User]] = Counter()
    turn = list(dict.fromkeys(pairs))
    while turn and room > 0:
        again = []
        for pair in turn:
            lane, user = pair
            if room > 0 and lanes[lane] > 0 and users[user] > 0:
                room, lanes[lane], users[user] = room - 1, lanes[lane] - 1, users[user] - 1
                shares[pair] += 1
                again.append(pair)
        turn = again
    return list(shares.items())
