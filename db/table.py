"""What all tables share: the declarative base, the naming of keys, and the usual columns."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import BigInteger, MetaData, Numeric, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, mapped_column

Moment = TIMESTAMP(timezone=True)
NOW = text("now()")

Id = Annotated[UUID, mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))]
At = Annotated[datetime, mapped_column(Moment)]
CreatedAt = Annotated[datetime, mapped_column(Moment, server_default=NOW)]
Json = Annotated[Any, mapped_column(JSONB)]
Long = Annotated[str, mapped_column(Text)]
# Side tables: a word has no length to outgrow, and none of them is shown to a width.
Word = Annotated[str, mapped_column(String)]
Serial = Annotated[int, mapped_column(BigInteger, primary_key=True)]
Str3 = Annotated[str, mapped_column(String(3))]
Str16 = Annotated[str, mapped_column(String(16))]
Str20 = Annotated[str, mapped_column(String(20))]
Str32 = Annotated[str, mapped_column(String(32))]
Str64 = Annotated[str, mapped_column(String(64))]
Str50 = Annotated[str, mapped_column(String(50))]
Str100 = Annotated[str, mapped_column(String(100))]
Str255 = Annotated[str, mapped_column(String(255))]
Str500 = Annotated[str, mapped_column(String(500))]
Money = Annotated[Decimal, mapped_column(Numeric(10, 2))]
Percent = Annotated[Decimal, mapped_column(Numeric(5, 2))]


class Base(DeclarativeBase):
    """The metadata that migrations are held against; keys carry PostgreSQL's own names."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
