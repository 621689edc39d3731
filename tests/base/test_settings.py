"""Settings: where they come from, what they refuse, and that secrets stay secrets."""

import ipaddress
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from base.errors import Misused
from base.settings import STORES_FILE, Settings
from tests.reading import ROOT

pytestmark = pytest.mark.usefixtures("bare_environment")

STORES = {
    "database_url": "postgresql://from-the-file",
    "journal_url": "redis://journal-from-the-file",
    "redis_url": "redis://broker-from-the-file",
}


def made(folder: Path, **values: Any) -> Settings:
    return Settings(data_dir=folder, **values)


def with_stores(folder: Path) -> Path:
    (folder / STORES_FILE).write_text(json.dumps(STORES))
    return folder


def test_stores_of_a_running_up_are_found_in_the_data_folder(tmp_path: Path) -> None:
    chosen = made(with_stores(tmp_path))

    assert chosen.database == STORES["database_url"]
    assert chosen.journal == STORES["journal_url"]
    assert chosen.redis == chosen.broker == STORES["redis_url"]


def test_an_address_that_was_set_wins_over_a_running_up(tmp_path: Path) -> None:
    chosen = made(
        with_stores(tmp_path),
        database_url=SecretStr("postgresql://set"),
        journal_url=SecretStr("redis://set-journal"),
        broker_url=SecretStr("redis://set-broker"),
    )

    assert chosen.database == "postgresql://set"
    assert chosen.journal == "redis://set-journal"
    assert chosen.broker == "redis://set-broker"
    assert chosen.redis == STORES["redis_url"]


def test_a_broker_that_is_no_redis_is_found_and_needs_none(tmp_path: Path) -> None:
    found = {"journal_url": "redis://journal", "broker_url": "amqp://broker"}
    (tmp_path / STORES_FILE).write_text(json.dumps(found))

    chosen = made(tmp_path)

    assert (chosen.broker, chosen.journal) == ("amqp://broker", "redis://journal")
    with pytest.raises(Misused):
        _ = chosen.redis


def test_one_redis_serves_for_everything_when_only_one_is_set(tmp_path: Path) -> None:
    chosen = made(with_stores(tmp_path), redis_url=SecretStr("redis://one"))

    assert chosen.journal == chosen.broker == chosen.redis == "redis://one"


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"journal_url": 5}'])
def test_a_store_nobody_named_is_one_sentence(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / STORES_FILE).write_text(text)

    with pytest.raises(Misused, match="HOPFLEET_DATABASE_URL is not set"):
        _ = made(tmp_path).database


def test_the_environment_is_read_with_its_prefix(tmp_path: Path) -> None:
    asked = "from base.settings import settings as s; print(s().port, s().trusted_proxies)"
    ran = subprocess.run(
        [sys.executable, "-c", asked],
        env={
            "HOPFLEET_PORT": "9123",
            "HOPFLEET_TRUSTED_PROXIES": "10.0.0.0/8, ::1/128",
            "PORT": "1",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.startswith("9123 (IPv4Network('10.0.0.0/8'), IPv6Network('::1/128'))")


def test_secrets_are_in_no_picture_of_the_settings(tmp_path: Path) -> None:
    word = "correct-horse"
    url = SecretStr(f"redis://u:{word}@h")
    chosen = made(
        tmp_path, database_url=url, journal_url=url, redis_url=url, broker_url=url,
        secret_key=SecretStr(word),
    )  # fmt: skip

    assert chosen.secret == word.encode()
    for picture in (repr(chosen), str(chosen), chosen.model_dump_json(), str(chosen.model_dump())):
        assert word not in picture


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("", ()),
        ("10.0.0.0/8", ("10.0.0.0/8",)),
        ("10.0.0.0/8,2001:db8::/32", ("10.0.0.0/8", "2001:db8::/32")),
        (" 10.1.2.3 , ", ("10.1.2.3/32",)),
    ],
)
def test_trusted_proxies_are_networks_between_commas(text: str, networks: tuple[str, ...]) -> None:
    chosen = Settings.model_validate({"trusted_proxies": text})

    assert chosen.trusted_proxies == tuple(map(ipaddress.ip_network, networks))


@pytest.mark.parametrize("name", ["journal_url", "redis_url"])
@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("redis://h:6379/0", True), ("rediss://:secret@[::1]:6380/0?ssl_cert_reqs=none", True),
        ("unix:///run/valkey.sock", True), ("redis://h", True),
        ("", False), ("nonsense", False), ("h:6379", False), ("http://h:6379", False),
        ("redis://:secret@h:abc/0", False), ("redis://:secret@[::1/0", False),
    ],
)  # fmt: skip
def test_a_redis_is_named_by_an_address_or_refused(name: str, url: str, is_taken: bool) -> None:
    if is_taken:
        Settings.model_validate({name: url})
        return

    with pytest.raises(ValidationError, match="it is no address of a Redis") as caught:
        Settings.model_validate({name: url})

    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 70_000),
        ("port", "http"),
        ("pool_max", 0),
        ("trusted_proxies", "proxy.example"),
        ("log_level", "loud"),
        ("link_cache_entries", 0),
    ],
)
def test_a_value_that_cannot_be_is_refused_at_the_start(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: value})


@pytest.mark.parametrize(
    ("role", "bounds", "sessions"),
    [
        ("worker-events", (5, 20), 20),
        ("scheduler", (5, 20), 12),
        ("ingest", (5, 20), 5),
        ("ingest", (1, 20), 2),
        ("scheduler", (1, 3), 3),
        ("worker-events", (9, 8), 8),
    ],
)
def test_a_process_may_have_the_sessions_its_role_needs_within_bounds(
    role: str, bounds: tuple[int, int], sessions: int
) -> None:
    chosen = Settings(pool_min=bounds[0], pool_max=bounds[1])

    assert chosen.sessions(role) == sessions


def test_the_address_of_the_doors_ends_without_a_slash(tmp_path: Path) -> None:
    assert made(tmp_path, port=9000).url == "http://127.0.0.1:9000"
    assert made(tmp_path, public_url="https://go.example/").url == "https://go.example"


def test_a_secret_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first = made(tmp_path / "new").secret

    assert len(first) >= 32
    assert made(tmp_path / "new").secret == first
    kept = tmp_path / "new" / "secret_key"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["secret_key"]


def test_an_empty_secret_is_never_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("\n")  # as a full disk may leave it

    with pytest.raises(Misused, match="secret_key is empty: delete it"):
        _ = made(tmp_path).secret


def test_processes_that_start_together_make_one_secret(tmp_path: Path) -> None:
    asked = "from base.settings import settings; print(settings().secret.decode())"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", asked],
            env={"HOPFLEET_DATA_DIR": str(tmp_path)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]

    secrets = {one.communicate()[0].strip() for one in started}
    assert len(secrets) == 1
    assert len(secrets.pop()) >= 32


def test_stripes_secrets_are_a_list_and_none_of_them_is_empty(tmp_path: Path) -> None:
    def secrets(text: str) -> tuple[bytes, ...]:
        return made(tmp_path, stripe_webhook_secrets=text).stripe_secrets

    assert made(tmp_path).stripe_secrets == secrets("") == secrets(" \n") == ()
    assert secrets("whsec_one, whsec_two\n") == (b"whsec_one", b"whsec_two")
    for wrong in ("whsec_one,", ",whsec_one", "whsec_one,,whsec_two", "whsec_o\nne", "short"):
        with pytest.raises(ValidationError) as refusal:
            secrets(wrong)
        assert "whsec_one" not in str(refusal.value)


@pytest.mark.parametrize(
    ("key", "said", "live"),
    [(None, None, None), ("sk_test_1", None, False), ("rk_live_1", None, True),
     ("sk_test_1", True, True), (None, False, False), ("", None, None)],
)  # fmt: skip
def test_the_key_says_whether_money_is_real_unless_somebody_does(
    tmp_path: Path, key: str | None, said: bool | None, live: bool | None
) -> None:
    assert made(tmp_path, stripe_api_key=key, stripe_livemode=said).stripe_live is live
