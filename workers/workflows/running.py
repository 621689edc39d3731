"""Running: many runs are claimed, carried out and written down, a few transactions for all.

A batch is one transaction: its steps' effects, their rows and how far each run got commit
together. When PostgreSQL refuses something, each of the batch gets a transaction of its own, so
that the odd one is found and the others lose nothing.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
from psycopg import errors as sql

from base.clock import steady
from base.errors import HopfleetError
from base.logs import log
from db import run_work, runs, scopes, secrets, stats, work
from db.connection import Tx, transaction
from db.run_work import Run, StepRow, Turn
from db.runs import NewRun, WorkflowRun
from rules.subjects import wants_campaign
from schemas.triggers import EventTrigger, Malformed
from schemas.workflows import Definition
from workers.workflows import health
from workers.workflows.firing import IDLE_ACCOUNTS
from workers.workflows.planning import definition_of
from workers.workflows.scope import Scope, Values
from workers.workflows.walking import Walk

BATCH = 200
USERS = 200
LEASE_SECONDS = 8.0  # while a batch is carried out its rows are locked: none is taken over then
LIMIT_SECONDS = 30.0
TURN_SECONDS = 2.0  # a batch stops beginning runs after that
LOCK_SECONDS = 2
MOST_CAMPAIGNS = 1_000
MOST_LOSSES = 5
_OF_NO_CAMPAIGN = ("hook", "product_changed", "subscription_changed")
_SUSPENDED_SECONDS = 30.0
_FIRST = UUID(int=0)
_BUSY = (sql.LockNotAvailable, sql.DeadlockDetected, sql.SerializationFailure, sql.QueryCanceled)


class Runner:
    """Takes runs by turns: where one claim ended among the users, the next one begins."""

    def __init__(self) -> None:
        self._after = uuid4()
        self._claimed_at = 0.0

    def work(self, limit: int = BATCH) -> int:
        """Claim a batch and carry it out; how many runs were claimed."""
        self._claimed_at = steady()
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            claimed = self._claim(tx, limit)
        if not claimed:
            return 0
        doubtful = [run for run in claimed if run.losses]
        certain = [run for run in claimed if not run.losses]
        if certain:
            _carry_out(certain)
        for at, run in enumerate(doubtful):
            if not self._alone(run):
                _give_back(doubtful[at:])
                break
        return len(claimed)

    def _alone(self, run: Run) -> bool:
        """Carry out a run that a worker did not come back from; False when time is up.

        It is counted before it begins: the one that ends its workers is known by that, and those
        that were only beside it are not.
        """
        if steady() > self._claimed_at + LEASE_SECONDS / 2:
            return False
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            losses = run_work.begin_alone(tx, run.id, run.attempts)
        if losses is not None:
            _carry_out([run._replace(losses=losses)])
        return True

    def _claim(self, tx: Tx, limit: int) -> list[Run]:
        # A claim that is forgotten in a crash is one that was never made.
        tx.execute("SET LOCAL synchronous_commit = off")
        users = run_work.users_with_work(tx, self._after, USERS)
        if len(users) < USERS:
            known = set(users)
            before = run_work.users_with_work(tx, _FIRST, USERS - len(users))
            users += [user for user in before if user not in known]
        self._after = users[-1] if users else _FIRST
        return run_work.claim(tx, users, limit, LEASE_SECONDS)


def _carry_out(claimed: Sequence[Run]) -> None:
    turn = _Turn()
    try:
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            turn.take(tx, claimed)
    except (psycopg.OperationalError, HopfleetError) as error:
        if not isinstance(error, _BUSY):
            log().warning("runs.postponed", runs=len(claimed), reason=type(error).__name__)
            return  # their leases run out, and they are taken up again
        _one_by_one(claimed, turn, error)
    except psycopg.Error as error:
        _one_by_one(claimed, turn, error)
    except Exception as error:
        log().exception("run.failed")
        _one_by_one(claimed, turn, error)


def _one_by_one(claimed: Sequence[Run], turn: "_Turn", error: Exception) -> None:
    if len(claimed) > 1:
        ends = steady() + LEASE_SECONDS / 2
        for at, run in enumerate(claimed):
            if steady() > ends:
                _give_back(claimed[at:])
                return
            _carry_out([run])
        return
    _write_down(claimed[0], turn.walk, error)


def _give_back(claimed: Sequence[Run]) -> None:
    """Runs that were not begun may be claimed again at once."""
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        work.give_back(tx, WorkflowRun, [(run.id, run.attempts) for run in claimed])


def _write_down(run: Run, walk: Walk | None, error: Exception) -> None:
    """What became of a run that PostgreSQL, or a fault of ours, stopped."""
    said = str(
        getattr(getattr(error, "diag", None), "message_primary", None) or type(error).__name__
    )
    busy = isinstance(error, _BUSY) and run.attempts < 20
    row = walk.broke(error) if walk is not None else None
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        if run.id not in run_work.keep(tx, [(run.id, run.attempts)]):
            return
        if busy:
            delay = timedelta(seconds=min(60.0, 0.5 * 2 ** min(run.attempts, 10)))
            run_work.put_turns(
                tx,
                [Turn(run.id, "pending", run.outcome, None, said, False, run_work.now(tx) + delay)],
            )
            return
        if row is not None:
            run_work.put_steps(tx, [row])
        reason = f"{row.name}: {said}" if row is not None else said
        run_work.put_turns(tx, [Turn(run.id, "dead", "failed", reason, said)])
        health.ended(tx, [(run.workflow_id, run.id, True, reason)])
        run_work.release(tx, [run.workflow_id])


class _Turn:
    """One transaction's work: each run as far as it gets."""

    def __init__(self) -> None:
        self.walk: Walk | None = None
        self._steps: list[StepRow] = []
        self._turns: list[Turn] = []
        self.fanned_out: set[int] = set()

    def take(self, tx: Tx, claimed: Sequence[Run]) -> None:
        """Carry out what of `claimed` is still ours, and write it down."""
        tx.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        kept = run_work.keep(tx, [(run.id, run.attempts) for run in claimed])
        mine = [run for run in claimed if run.id in kept]
        if not mine:
            return
        read = _Read(tx, mine)
        ends = steady() + TURN_SECONDS
        for at, run in enumerate(mine):
            if at and steady() > ends:
                self._turns += [
                    Turn(later.id, "pending", later.outcome, ready=True) for later in mine[at:]
                ]
                break
            self._turns.append(self._turn(tx, run, read))
        run_work.put_steps(tx, self._steps)
        run_work.put_turns(tx, self._turns)
        _after(tx, mine, self._turns, self.fanned_out)

    def _turn(self, tx: Tx, run: Run, read: "_Read") -> Turn:
        self.walk = None
        try:
            definition = read.definition(run)
        except Malformed as error:
            return Turn(run.id, "dead", "failed", f"its definition is not valid: {error}")
        if definition is None:
            return Turn(run.id, "done", "cancelled", "its workflow was deleted")
        if run.losses > MOST_LOSSES:
            return Turn(
                run.id, "dead", "failed", f"{run.losses - 1} workers did not come back from it"
            )
        done = read.steps.get(run.id, {})
        user = read.users.get(run.user_id)
        if user is None or user["status"] in IDLE_ACCOUNTS:
            if done and not run.cancel:
                # It waits in the middle of its way until the account is active again.
                wakes = read.now + timedelta(seconds=_SUSPENDED_SECONDS)
                return Turn(run.id, "pending", run.outcome, wakes_at=wakes)
            return Turn(run.id, "done", "skipped", "suspended")
        campaign = read.campaigns.get(run.campaign_id) if run.campaign_id else None
        if campaign is None and not done and wants_campaign(definition):
            if run.campaign_id is not None:
                return Turn(run.id, "done", "skipped", "its campaign was deleted")
            chosen = _campaigns(tx, run, definition)
            if len(chosen) != 1:
                self.fanned_out.add(run.id)
                return _fan_out(tx, run, chosen)
            run = run._replace(campaign_id=chosen[0])
            campaign = scopes.campaigns(tx, chosen).get(chosen[0])
        self.walk = Walk(tx, run, definition, done, read.scope(tx, run, user, campaign))
        turn = self.walk.go()
        self._steps += self.walk.changed.values()
        return turn._replace(campaign_id=run.campaign_id)


class _Read:
    """What many runs of one transaction share, read at once."""

    def __init__(self, tx: Tx, mine: Sequence[Run]) -> None:
        self.now = run_work.now(tx)
        self._definitions = scopes.definitions(tx, {(run.workflow_id, run.version) for run in mine})
        self.users = scopes.users(tx, {run.user_id for run in mine})
        wanted = {run.campaign_id for run in mine if run.campaign_id is not None}
        self.campaigns: dict[UUID, Values] = scopes.campaigns(tx, wanted)
        self.steps = run_work.steps_of(tx, [run.id for run in mine])
        self._stats: dict[UUID, Values] = {}

    def definition(self, run: Run) -> Definition | None:
        """What a run carries out; None when its workflow was deleted."""
        row = self._definitions.get((run.workflow_id, run.version))
        return None if row is None else definition_of(*row)

    def scope(self, tx: Tx, run: Run, user: Values, campaign: Values | None) -> Scope:
        """The names a run sees."""

        def load_stats() -> Values:
            assert campaign is not None
            found = self._stats.get(campaign["id"])
            if found is None:
                found = self._stats[campaign["id"]] = stats.of_campaign(
                    tx, run.user_id, campaign["id"], self.now
                )
            return found

        return Scope(
            run, self.now, user, campaign, load_stats, lambda: secrets.opened(tx, run.user_id)
        )


def _campaigns(tx: Tx, run: Run, definition: Definition) -> list[UUID]:
    """The campaigns a run is about: what its trigger names, else all of its user's.

    Of an event that belongs to a campaign and does not know which, none: what is meant for one
    must not be done to all.
    """
    trigger = definition.trigger
    if trigger.campaign:
        found = scopes.campaign_named(tx, run.user_id, trigger.campaign)
        return [] if found is None else [found]
    if (
        isinstance(trigger, EventTrigger)
        and (trigger.event not in _OF_NO_CAMPAIGN or trigger.asks_for_products)
        and run.trigger in ("event", "replay")
    ):
        return []
    return scopes.campaigns_of(tx, run.user_id, MOST_CAMPAIGNS)


def _fan_out(tx: Tx, run: Run, campaigns: Sequence[UUID]) -> Turn:
    if not campaigns:
        return Turn(run.id, "done", "skipped", "there is no campaign it could be about")
    runs.add(
        tx,
        [
            NewRun(
                run.workflow_id, run.user_id, run.version, "campaign", run.due_at,
                f"campaign:{campaign}:{run.id}", campaign, run.input, run.depth, run.id,
            )
            for campaign in campaigns
        ],
    )  # fmt: skip
    return Turn(run.id, "done", "succeeded", f"one run for each of {len(campaigns)} campaigns")


def _after(tx: Tx, mine: Sequence[Run], turns: Sequence[Turn], fanned_out: set[int]) -> None:
    """What follows from runs that ended: failures in a row, and who was queued behind them.

    One that only made others, one for each campaign, says nothing about how well those went.
    """
    by_id = {run.id: run for run in mine}
    over = [turn for turn in turns if turn.state in ("done", "dead")]
    counted = [
        (by_id[turn.id].workflow_id, turn.id, turn.state == "dead", turn.reason)
        for turn in over
        if turn.outcome in ("failed", "succeeded") and turn.id not in fanned_out
    ]
    if counted:
        health.ended(tx, counted)
    if over:
        run_work.release(tx, [by_id[turn.id].workflow_id for turn in over])
