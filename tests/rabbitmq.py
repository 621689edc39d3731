"""A RabbitMQ for tests: the system's program in a temporary folder, as processes of our own."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker

from base.clock import sleep, steady
from ops.local.ports import free_port

_START_SECONDS = 60
VHOST = "hop fleet"  # a name that must be quoted in an address
USER = "hop"


def scripts() -> Path | None:
    """The folder of RabbitMQ's own start scripts; None when it is not installed."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))
    return found[-1] if found and shutil.which("epmd") else None


class Rabbit:
    """One node with a port mapper of its own; `end` leaves nothing behind."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hopfleet-rabbitmq-"))
        self.port = free_port()
        self.password = secrets.token_urlsafe(12) + "@/%"  # must be quoted, too
        self._mapper_port = free_port()
        (self.folder / "rabbit.conf").write_text(self._config())
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        self._mapper = self._run("epmd", "-port", str(self._mapper_port), "-address", "127.0.0.1")
        self._process: subprocess.Popen[bytes] | None = None

    def _config(self) -> str:
        lines = [
            f"listeners.tcp.default = 127.0.0.1:{self.port}",
            f"default_vhost = {VHOST}",
            f"default_user = {USER}",
            f"default_pass = {self.password}",
            "total_memory_available_override_value = 2GB",  # of which its alarm takes two fifths
            "disk_free_limit.absolute = 1MB",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
        ]
        return "\n".join([*lines, ""])

    @cached_property
    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"hopfleet{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbit.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "generated"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            # The script then becomes the server, instead of being its parent.
            "RUNNING_UNDER_SYSTEMD": "1",
        }

    def _run(self, *argv: str) -> "subprocess.Popen[bytes]":
        with (self.folder / "console").open("ab") as out:
            return subprocess.Popen(
                argv, env=self._environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    @property
    def url(self) -> str:
        """Its address, with user, password and virtual host."""
        login = f"{USER}:{quote(self.password, safe='')}"
        return f"amqp://{login}@127.0.0.1:{self.port}/{quote(VHOST, safe='')}"

    def start(self) -> None:
        """Start the node on what its folder holds, and wait until it takes connections."""
        folder = scripts()
        assert folder is not None
        self._process = self._run(str(folder / "rabbitmq-server"))
        end = steady() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self.said()
            assert steady() < end, self.said()
            sleep(0.05)

    def runs(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                pass
            self.ask(lambda channel: None)
        except (OSError, AMQPError):
            return False
        return True

    def said(self) -> str:
        """The end of what it printed."""
        return (self.folder / "console").read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def forget(self) -> None:
        """Lose all it holds; while it does not run."""
        shutil.rmtree(self.folder / "data")

    def control(self, *words: str) -> str:
        """What `rabbitmqctl` says to these words."""
        folder = scripts()
        assert folder is not None
        done = subprocess.run(
            [str(folder / "rabbitmqctl"), "-q", *words], env=self._environment, cwd=self.folder,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, act: Callable[[Any], Any]) -> Any:
        """What `act` returns when handed a channel."""
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            return act(connection.channel())
        finally:
            connection.close()

    def delete(self, *queues: str) -> None:
        """Delete queues, whoever consumes them."""
        self.ask(lambda channel: [channel.queue_delete(queue) for queue in queues])

    def consumers(self, queue: str) -> int:
        """How many consume a queue; -1 while there is no such queue."""
        try:
            found = self.ask(lambda channel: channel.queue_declare(queue, passive=True))
        except ChannelClosedByBroker:
            return -1
        return int(found.method.consumer_count)

    def end(self) -> None:
        """End node and port mapper, and remove the folder."""
        for process in (self._process, self._mapper):
            if process is not None:
                process.kill()
                process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
