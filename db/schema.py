"""All tables together: what migrations are held against."""

from db import (
    accounts,
    audit,
    bonuses,
    bot_rules,
    campaigns,
    content,
    controls,
    events,
    held,
    idempotency,
    integrations,
    keys,
    ledger,
    links,
    orders,
    processes,
    products,
    purges,
    rates,
    receipts,
    teams,
    users,
    webhooks,
    workflows,
)
from db.table import Base

DOCUMENT = (
    users.User,
    products.Product,
    campaigns.Campaign,
    content.Content,
    workflows.Workflow,
    events.Event,
    bonuses.Bonus,
    teams.Team,
    teams.TeamMember,
)
SIDE = (
    ledger.Ledger,
    idempotency.IdempotencyKey,
    held.HeldEvent,
    keys.ApiKey,
    accounts.Account,
    purges.Purge,
    links.LinkChange,
    controls.QueueControl,
    processes.Process,
    audit.DoorCount,
    audit.EventOutcome,
    audit.HostSpool,
    bot_rules.BotRule,
    integrations.Integration,
    orders.Order,
    receipts.Receipt,
    rates.Rate,
    webhooks.Webhook,
)

metadata = Base.metadata
