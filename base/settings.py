"""One typed `Settings`, read from the environment (prefix `HOPFLEET_`); every default works.

The addresses of the stores come, in this order, from the environment, from `stores.json` in the
data folder (written by a running `hopfleet up`), or are missing, which each process says at its
own start.
"""

import ipaddress
import json
import os
import secrets
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from base.errors import Misused

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

STORES_FILE = "stores.json"

# Database sessions a process can use at once: a door's thread looks up and another counts, each
# chore of the scheduler has one. Who is not here can use as many as it may have.
_SESSIONS = {"ingest": 2, "scheduler": 12}


class Settings(BaseSettings):
    """Everything that can be set from outside; secrets are never shown by `repr`."""

    model_config = SettingsConfigDict(
        env_prefix="HOPFLEET_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data_dir: Path = Path(".hopfleet")
    database_url: SecretStr | None = None
    journal_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    broker_url: SecretStr | None = None
    secret_key: SecretStr | None = None
    secret_keys_before: SecretStr | None = None  # comma-separated; they open, never seal
    allow_volatile_redis: bool = False
    journal_replicas: int = Field(0, ge=0)  # WAITAOF: replicas that must have fsynced, too

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    public_url: str | None = None
    fallback_url: str | None = None
    trusted_proxies: Annotated[Networks, NoDecode] = ()
    country_header: str | None = None  # for instance CF-IPCountry; only from trusted proxies
    geo_file: Path | None = None  # a MaxMind-format country file
    respect_gpc: bool = False

    clickbank_api_url: str | None = None  # another address than the network's, for tests

    stripe_webhook_secrets: SecretStr | None = None  # comma-separated, while one is rolled
    stripe_api_key: SecretStr | None = None  # then subscriptions are read again at each event
    stripe_api_url: str | None = None
    stripe_livemode: bool | None = None  # unless said, what the key is for; any without one
    stripe_grace_days: float = Field(7, ge=0, le=365)  # paid for late: active for so long

    pool_min: int = Field(5, ge=0)
    pool_max: int = Field(20, ge=1)
    pool_timeout_seconds: float = 30.0

    journal_budget_seconds: float = 0.25  # then the batch goes to the spool
    spool_dir: Path | None = None
    spool_max_bytes: int = 2 * 1024**3
    link_cache_entries: int = Field(200_000, ge=1)
    max_connections: int = Field(8192, ge=1)

    # Events a second that one ingest process takes, on average over ten seconds; 0: no limit.
    limit_network_burst: float = Field(50, ge=0)  # of a /24 or /48: beyond, they are marked
    limit_network: float = Field(5_000, ge=0)  # beyond, they are not kept
    limit_tenant_share: float = Field(1_000, ge=0)  # beyond, they wait apart from others'
    limit_tenant: float = Field(100_000, ge=0)  # far above what one door can keep
    limit_key: float = Field(50_000, ge=0)
    limit_claim: float = Field(1, ge=0)  # of a network, and of a receipt; beyond, they are dropped

    smtp_url: SecretStr | None = None  # smtp[s]://user:password@host:port?starttls=1
    smtp_timeout_seconds: float = Field(30.0, gt=0)  # for each answer; twice that for a mail's end
    smtp_connections: int = Field(16, ge=1)  # to one server at once, of one process
    mail_from: str | None = None  # whom mails are from, unless a bonus says otherwise
    s3_url: SecretStr | None = None  # s3://key:secret@host:port/bucket?region=&tls=
    call_ports: Annotated[frozenset[int], NoDecode] = frozenset({80, 443, 8080, 8443})
    call_private: Annotated[Networks, NoDecode] = ()  # networks of one's own that users may call
    calls_per_host: int = Field(8, ge=1)  # at once, of one process
    feed_url: str = "https://accounts.clickbank.com/feeds/marketplace_feed_v2.xml.zip"
    marketplace_search_url: str | None = None  # then it is asked daily, too; private, undocumented
    feed_most_bytes: int = Field(4 * 1024**3, ge=1)  # of the products' feed, as it is sent
    feed_most_unpacked_bytes: int = Field(16 * 1024**3, ge=1)
    bonus_link_hours: float = Field(720.0, gt=0)  # how long a download's link works

    pg_bindir: Path | None = None  # a PostgreSQL of the system for `up`, not the package's

    worker_threads: int = Field(4, ge=1)
    worker_poll_ms: int = Field(200, ge=10)

    admin_enabled: bool = True  # /livez and /metrics, never on the doors' port
    admin_host: str = "127.0.0.1"
    admin_port: int = Field(9640, ge=0, le=65535)  # or the first free one above; 0: any

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("trusted_proxies", "call_private", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        if isinstance(value, str):
            parts = [part.strip() for part in value.split(",")]
            return tuple(ipaddress.ip_network(part) for part in parts if part)
        return value

    @field_validator("call_ports", mode="before")
    @classmethod
    def _ports(cls, value: Any) -> Any:
        if isinstance(value, str):
            told = frozenset(part.strip() for part in value.split(",") if part.strip())
            return told or frozenset({80, 443, 8080, 8443})  # compose hands on an empty text
        return value

    @field_validator("journal_url", "redis_url")
    @classmethod
    def _redis_address(cls, value: SecretStr | None) -> SecretStr | None:
        """Otherwise a worker would run, and fail at every look, for as long as nobody looks."""
        if value is not None and not _is_redis(value.get_secret_value()):
            raise ValueError("it is no address of a Redis: try redis://host:6379/0")
        return value

    @field_validator("stripe_webhook_secrets")
    @classmethod
    def _signing_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        """An empty secret would take what anybody signs with an empty key."""
        told = value.get_secret_value().strip() if value is not None else ""
        if told and any(len(part.split()) != 1 or len(part) < 8 for part in told.split(",")):
            raise ValueError("each secret, between commas, is like whsec_… and none is empty")
        return SecretStr(told) if told else None

    @cached_property
    def _stores(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads((self.data_dir / STORES_FILE).read_text())
        except (OSError, ValueError):
            return {}
        return found

    def sessions(self, role: str) -> int:
        """How many database sessions a process of that role may open, between the two bounds."""
        needed = _SESSIONS.get(role, self.pool_max)
        return min(max(needed, self.pool_min), self.pool_max)

    def _store(self, name: str, *choices: SecretStr | None) -> str:
        for choice in choices:
            if choice is not None:
                return choice.get_secret_value()
        if name in self._stores:
            return self._stores[name]
        raise Misused(
            f"HOPFLEET_{name.upper()} is not set and no `hopfleet up` is running on"
            f" {self.data_dir}: start one, or set the address."
        )

    @property
    def database(self) -> str:
        """The address of PostgreSQL; raises `Misused` when there is none."""
        return self._store("database_url", self.database_url)

    @property
    def redis(self) -> str:
        """The address of the Redis for broker and cache."""
        return self._store("redis_url", self.redis_url)

    @property
    def journal(self) -> str:
        """The address of the durable Redis; by default the one for everything."""
        return self._store("journal_url", self.journal_url, self.redis_url)

    @property
    def broker(self) -> str:
        """The address of dramatiq's broker; by default the Redis for everything."""
        name = "broker_url" if "broker_url" in self._stores else "redis_url"
        return self._store(name, self.broker_url, self.redis_url)

    @property
    def smtp(self) -> str | None:
        """The address of the installation's mail server; None when there is none."""
        return (self.smtp_url.get_secret_value() if self.smtp_url else None) or None

    @property
    def s3(self) -> str | None:
        """The address of the installation's bucket; None when there is none."""
        return (self.s3_url.get_secret_value() if self.s3_url else None) or None

    @property
    def spool_root(self) -> Path:
        """The folder that holds one spool folder per ingest process."""
        return self.spool_dir or self.data_dir / "spool"

    @property
    def url(self) -> str:
        """What visitors put before `/r/…`, without a closing slash."""
        here = f"http://{self.host}:{self.port}"
        return (self.public_url or self._stores.get("url") or here).rstrip("/")

    @cached_property
    def secret(self) -> bytes:
        """The key under visitor hashes; made and kept in the data folder on first use."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        path = self.data_dir / "secret_key"
        if not path.exists():
            _make_secret(path)
        kept = path.read_text().strip()
        if not kept:
            raise Misused(f"{path} is empty: delete it, and a new secret is made.")
        return kept.encode()

    @field_validator("stripe_api_key")
    @classmethod
    def _no_empty_key(cls, value: SecretStr | None) -> SecretStr | None:
        """Compose hands an empty setting on as an empty text."""
        return value if value is not None and value.get_secret_value().strip() else None

    @cached_property
    def stripe_secrets(self) -> tuple[bytes, ...]:
        """What Stripe signs with; none when its messages are not taken."""
        told = self.stripe_webhook_secrets
        return (
            tuple(part.strip().encode() for part in told.get_secret_value().split(","))
            if (told is not None)
            else ()
        )

    @property
    def stripe_live(self) -> bool | None:
        """Whether Stripe's messages are about real money; those of the other kind are refused.

        None when nothing says so: the secret is one endpoint's, and that is of one kind.
        """
        if self.stripe_livemode is not None or self.stripe_api_key is None:
            return self.stripe_livemode
        return "_test_" not in self.stripe_api_key.get_secret_value()

    @property
    def secrets_before(self) -> tuple[bytes, ...]:
        """Earlier secrets, which still open what was sealed with them."""
        told = self.secret_keys_before.get_secret_value() if self.secret_keys_before else ""
        return tuple(part.strip().encode() for part in told.split(",") if part.strip())


def _is_redis(url: str) -> bool:
    try:
        found = urlsplit(url)
        return found.scheme in ("redis", "rediss", "unix") and found.port != 0
    except ValueError:
        return False


def _make_secret(path: Path) -> None:
    """Put a new secret there, whole or not at all; whoever was quicker wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
