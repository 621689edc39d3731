"""The two tables the usual way touches, as its SQLAlchemy statements need them."""

from functools import cache

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    create_engine,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID
from sqlalchemy.types import Text

from base.settings import settings

_metadata = MetaData()

events = Table(
    "analytics_events",
    _metadata,
    Column("user_id", UUID),
    Column("campaign_id", UUID),
    Column("event_type", Text),
    Column("source", Text),
    Column("metadata", JSONB, key="details"),
    Column("revenue", Numeric),
    Column("created_at", TIMESTAMP(timezone=True)),
)

messages = Table(
    "webhooks",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("state", Text),
    Column("source", Text),
    Column("external_id", Text),
    Column("type", Text),
    Column("receipt", Text),
    Column("body", LargeBinary),
)

campaigns = Table(
    "campaigns",
    _metadata,
    Column("id", UUID),
    Column("user_id", UUID),
    Column("tracking_id", Text),
    Column("affiliate_link", Text),
)


@cache
def engine() -> Engine:
    """This process's engine; the pool holds a connection for each of its threads."""
    url = settings().database.replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(url, pool_size=settings().pool_max, max_overflow=0)
