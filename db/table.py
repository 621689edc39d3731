"""What all tables share: the declarative base, naming, and the usual columns."""

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The metadata that migrations are held against."""
