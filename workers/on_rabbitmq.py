"""The broker on RabbitMQ: a queue each, and the server itself knows how many workers consume.

Its queues are called like ours, so it is given a virtual host of its own.
"""

import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pika
from dramatiq import Consumer, Message, Middleware
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import q_name
from pika.exceptions import AMQPError, ChannelClosedByBroker

from workers.attendance import Attendance, BrokerAway
from workers.queues import Queue

HEARTBEAT_SECONDS = 10  # a server that hangs is given up after two
TEND_SECONDS = 3.0  # well within a heartbeat
# A server short of memory or disk takes nothing from those who send, nor notices that they go: a
# connection given up sooner would be one more for it to hold.
BLOCKED_SECONDS = 60.0
_NOT_FOUND = 404


def parameters(url: str) -> pika.URLParameters:
    """How to connect to one `amqp://` or `amqps://` address; raises `ValueError`, `TypeError`.

    As with `rediss://`, `ssl_ca_certs=FILE` and `ssl_cert_reqs=none` may follow the address.
    """
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    authority, verify = asked.pop("ssl_ca_certs", None), asked.pop("ssl_cert_reqs", "required")
    made = pika.URLParameters(parts._replace(query=urlencode(asked)).geturl())
    if parts.scheme == "amqps" and (authority or verify == "none"):
        context = ssl.create_default_context(cafile=authority)
        if verify == "none":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        made.ssl_options = pika.SSLOptions(context)
    made.heartbeat = HEARTBEAT_SECONDS
    made.socket_timeout = 2.0
    made.stack_timeout = 5.0
    made.blocked_connection_timeout = BLOCKED_SECONDS
    return made


class OnRabbitmq(RabbitmqBroker):
    """Stock dramatiq, except that all who send share one connection, and somebody tends it.

    dramatiq gives each sending thread a connection of its own, which nobody reads between two
    messages, so that the server closes it for want of heartbeats. Each consumer still has its
    own. Several addresses stand between semicolons. Raises `BrokerAway`.
    """

    def __init__(self, url: str, middleware: list[Middleware]) -> None:
        super().__init__(middleware=middleware)
        self.parameters: Any = [parameters(one) for one in url.split(";")]
        self.state: Any = SimpleNamespace()
        self._alone = threading.RLock()
        self._tender: threading.Thread | None = None
        self._known: Any = None
        self._is_blocked = False

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """The one connection, for one thread at a time."""
        with self._alone:
            if self._tender is None:
                self._tender = threading.Thread(target=self._tend, name="broker", daemon=True)
                self._tender.start()
            try:
                self._connect()
                yield
            except (AMQPError, OSError) as error:
                self._hang_up()
                raise BrokerAway(str(error) or type(error).__name__) from error

    def _connect(self) -> None:
        """A connection that is alive; raises `BrokerAway` while it would swallow what is sent."""
        try:
            self.connection.process_data_events(0)
        except (AMQPError, OSError):  # an idle one may have been closed: a fresh one tells
            self._hang_up()
        if self.connection is not self._known:
            self._known, self._is_blocked = self.connection, False
            self._known.add_on_connection_blocked_callback(lambda *_: self._block(True))
            self._known.add_on_connection_unblocked_callback(lambda *_: self._block(False))
        if self._is_blocked:
            raise BrokerAway("RabbitMQ is short of memory or disk, and takes nothing.")

    def _block(self, is_blocked: bool) -> None:
        self._is_blocked = is_blocked

    def _tend(self) -> None:
        pause = threading.Event()
        while not pause.wait(TEND_SECONDS):
            with self._alone:
                connection = getattr(self.state, "connection", None)
                try:
                    if connection is not None:
                        connection.process_data_events(0)
                except Exception:  # whatever it is: the next who sends makes a new one
                    self._hang_up()

    def _hang_up(self) -> None:
        with suppress(Exception):
            del self.connection

    def enqueue(self, message: "Message[Any]", *, delay: int | None = None) -> "Message[Any]":
        """Send; whether it arrives is not asked, since a sweep would send the next."""
        with self._sending():
            return super().enqueue(message, delay=delay)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """A consumer of a queue, which is declared each time: somebody may have deleted it."""
        with self._sending():
            self.queues_pending.add(q_name(queue_name))
            self.declare_queue(queue_name, ensure=True)
        try:
            return super().consume(queue_name, prefetch, timeout)
        except OSError as error:  # among them what TLS says
            raise BrokerAway(str(error)) from error

    def attendance(self, queue: Queue) -> Attendance:
        """How many nudges wait, and how many consumers there are."""
        with self._sending():
            found = self._look(queue)
        return found or Attendance(0, 0)

    def _look(self, queue: Queue) -> Attendance | None:
        """None when there is no such queue, which the next `enqueue` then makes."""
        try:
            found = self.channel.queue_declare(queue=str(queue), passive=True).method
        except ChannelClosedByBroker as error:
            if error.reply_code != _NOT_FOUND:
                raise
            del self.channel
            self.queues_pending.add(str(queue))
            return None
        return Attendance(found.message_count, found.consumer_count)

    def seen(self, queues: Iterable[Queue], name: str) -> None:
        """Nothing to say: the server sees who consumes."""

    def gone(self, queues: Iterable[Queue], name: str) -> None:
        """Nothing to say: the server sees who has gone."""

    def describe(self) -> str:
        """One sentence about the server: its version, and how many of our queues are there."""
        with self._sending():
            found = [queue for queue in Queue if self._look(queue) is not None]
            version = self.connection._impl.server_properties.get("version", "of unknown version")
        return (
            f"RabbitMQ {version} answers; {len(found)} of {len(Queue)} queues are there, each is"
            " made by its first worker."
        )
