"""Mail servers that bonuses name are servers on the internet."""

from base.settings import settings
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.fleet.program import until
from tests.workers.buying import sell, states
from tests.workers.post import post
from workers.bonuses import mailing


def test_a_bonuss_own_server_may_not_be_in_a_private_network(connect: Connect) -> None:
    session: Tx = connect()
    campaign = make.campaign(session)
    settings.cache_clear()
    with post() as inside:
        own = {"smtp": {"host": "localhost", "port": inside.port, "security": "none"}}
        make.bonus(session, campaign["id"], metadata=own)
        sell(campaign)

        mailing.wake()
        until(lambda: states(session) == [("dead", "mail_refused")], 20, "it was refused")
        until(lambda: mailing._thread is None, 30, "mailing has ended")

        assert inside.offered == 0
    row = session.execute("SELECT last_error FROM bonus_deliveries").fetchone()
    assert row == ("localhost: it leads into a private network: only the internet may be called",)
