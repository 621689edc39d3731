"""What the database holds beyond the schema document, each with its reason.

Nothing the document names may be missing or different; a test compares the catalogs in both
directions, so that this list is complete and lists nothing that is not there. What belongs to
an extra table (its indexes, keys, triggers) comes with the table.
"""

from typing import Literal, NamedTuple


class Extra(NamedTuple):
    """One addition; `name` is the object's own, `on` the document's table it was put on."""

    kind: Literal["table", "difference", "partitions", "trigger", "index", "check"]
    name: str
    reason: str
    on: str | None = None


_TOUCHED = (
    "users",
    "products",
    "campaigns",
    "content",
    "workflows",
    "bonuses",
    "teams",
    "team_members",
)
_LOGGED = {
    "campaigns": ("insert", "update", "delete", "truncate"),
    "users": ("update", "delete", "truncate"),
}

EXTRAS: tuple[Extra, ...] = (
    Extra(
        "difference",
        "analytics_events_pkey",
        "Partitioning by month asks for created_at in the primary key: (id, created_at).",
        "analytics_events",
    ),
    Extra(
        "partitions",
        "analytics_events",
        "A month is archived by detaching it, and queries of a period read only its months.",
        "analytics_events",
    ),
    Extra(
        "check",
        "analytics_events_revenue_check",
        "PostgreSQL takes NaN for an amount; one such row would spoil every sum.",
        "analytics_events",
    ),
    *(
        Extra(
            "trigger",
            f"{table}_updated_at",
            "updated_at is right whoever changes the row, also by plain SQL.",
            table,
        )
        for table in _TOUCHED
    ),
    *(
        Extra(
            "trigger",
            f"{table}_log_{event}",
            "Doors must hear within two seconds of what anybody changed about links.",
            table,
        )
        for table, events in _LOGGED.items()
        for event in events
    ),
    Extra("table", "ledger", "Which batches were written, so that none is written twice."),
    Extra("table", "idempotency_keys", "A sender's own event id counts once per user."),
    Extra("table", "held_events", "Events that wait for a lock, and dead letters."),
    Extra("table", "api_keys", "Keys for developers, as SHA-256, with scopes."),
    Extra("table", "accounts", "What a user has set for all campaigns, such as the fallback."),
    Extra("table", "purges", "Users and campaigns on their way out, events first, in chunks."),
    Extra("table", "link_changes", "The log of changed links, users and keys that doors poll."),
    Extra("table", "queue_controls", "What operators have said of queues: paused, how wide."),
    Extra("table", "processes", "Which processes were seen lately, on whatever host."),
    Extra("table", "door_counts", "What doors took in, by process, minute and door: the audit."),
    Extra("table", "event_outcomes", "What became of it, by minute and door: the audit."),
    Extra("table", "host_spools", "What waits on which host's disk, as its doors last said."),
    Extra("table", "bot_rules", "Whom operators and users call a bot, or a person."),
    Extra("table", "integrations", "Networks that report to a user, their secrets sealed."),
    Extra("table", "orders", "Which click and campaign the payments of a receipt follow."),
    Extra("table", "receipts", "The ledger of what was ever told of payments."),
    Extra("table", "rates", "What other currencies were worth in dollars on a day."),
    Extra("table", "webhooks", "The inbox: messages of networks and Stripe, as they came."),
    Extra("table", "bonus_deliveries", "Which bonus is owed for which order, and how far it is."),
    Extra("table", "delivery_attempts", "Each try to hand a bonus's mail to a server."),
    Extra("table", "bonus_downloads", "Each time a bonus's link was followed."),
    Extra("table", "bonus_claims", "Where buyers want their bonus to go, by receipt."),
    Extra("table", "stripe_customers", "Which user a customer of Stripe's is, and who syncs it."),
    Extra("table", "stripe_states", "What subscriptions were, and when: the account is its fold."),
    Extra("table", "stripe_prices", "Which tier a price of Stripe's stands for."),
    Extra("table", "user_holds", "What suspends an account whatever its billing says."),
    Extra("table", "user_changes", "What billing changed of a user, and by which event."),
    *(
        Extra(
            "trigger",
            f"users_hold_{event}",
            "Who suspends a user by hand, also by plain SQL, is not overruled by a payment.",
            "users",
        )
        for event in ("insert", "update")
    ),
    Extra(
        "index",
        "idx_users_stripe_customer_id",
        "A message of Stripe's names a customer, and its user is to be found at once.",
        "users",
    ),
    Extra(
        "index",
        "idx_users_trial_ends_at",
        "Trials that are over are looked for every other second.",
        "users",
    ),
    Extra("table", "workflow_versions", "A run ends on the definition it began with."),
    Extra("table", "workflow_states", "What is wrong with a workflow, and what it listens to."),
    Extra("table", "workflow_runs", "Each run of a workflow, also those that were skipped."),
    Extra("table", "workflow_steps", "Each step of a run: done once, and never again."),
    Extra("table", "workflow_waits", "Which runs wait for which kind of event."),
    Extra("table", "workflow_events", "What happened that a workflow listens to."),
    Extra("table", "workflow_gathers", "Events that are to fire a workflow together."),
    Extra("table", "workflow_secrets", "Users' secrets for templates, sealed."),
    Extra("table", "workflow_notes", "What workflows wrote down for their owners."),
    Extra("table", "calls", "Requests and mails that are owed to the outside."),
    Extra("table", "call_attempts", "Each try to hand one over."),
    Extra("table", "notices", "What owners were told, so that no mail comes twice."),
    Extra("table", "chores", "When chores with a time of day were last done."),
    *(
        Extra(
            "trigger",
            f"workflows_unplan_{event}",
            "A next time belongs to an active workflow, and to the definition it came from.",
            "workflows",
        )
        for event in ("insert", "time", "change")
    ),
    *(
        Extra(
            "trigger",
            f"workflows_log_{event}",
            "A changed definition is a new version, and is looked at, also when SQL changed it.",
            "workflows",
        )
        for event in ("insert", "update", "time")
    ),
    Extra("table", "publications", "Which posts are due when, and which wait for their owners."),
    *(
        Extra(
            "trigger",
            f"content_plan_{event}",
            "A post that gets a time, or loses it, also by plain SQL, is found when it is due.",
            "content",
        )
        for event in ("insert", "update")
    ),
    Extra(
        "trigger",
        "users_resume_content",
        "Posts that waited for the end of a suspension go out, and nobody asks every second.",
        "users",
    ),
    *(
        Extra(
            "trigger",
            f"content_tell_{event}",
            "A post that becomes published fires workflows, whoever changed its row.",
            "content",
        )
        for event in ("insert", "update")
    ),
    Extra(
        "trigger",
        "users_tell_update",
        "A changed status or tier fires workflows, whoever changed the row.",
        "users",
    ),
    Extra(
        "trigger",
        "products_tell_update",
        "A changed product fires workflows, whoever changed its row.",
        "products",
    ),
    Extra("table", "product_syncs", "Each run over the marketplace's feed, and what it found."),
    Extra("table", "product_states", "What the feed last said, so that it rewrites nothing."),
    Extra("table", "product_absences", "Products that the last feeds did not list."),
    Extra("table", "product_history", "Gravity, commission and rank by day."),
    Extra(
        "trigger",
        "products_forget",
        "A product that somebody else changed is restored by the next feed.",
        "products",
    ),
    Extra("table", "product_asks", "How far each account was asked of products, to go on there."),
    Extra("table", "vendor_sales", "What accounts sold of each vendor: theirs, not everybody's."),
    Extra("table", "api_turns", "All processes together keep to an API's requests a second."),
    Extra("table", "api_budgets", "And to each account's requests a day."),
    Extra("table", "product_search", "What of products is searched, filtered and sorted."),
    Extra("table", "product_words", "The words of titles, for searches with a typo."),
    *(
        Extra(
            "trigger",
            f"products_search_{event}",
            "A product is found at once, whoever wrote its row.",
            "products",
        )
        for event in ("insert", "update")
    ),
    Extra("table", "alembic_version", "Which migration the database is at."),
)


def names(kind: str) -> set[str]:
    """The names of all extras of one kind."""
    return {extra.name for extra in EXTRAS if extra.kind == kind}
