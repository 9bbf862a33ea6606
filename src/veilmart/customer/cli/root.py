"""`veilmart customer ...`: the command tree; the commands are in the cli_*.py files."""

from cyclopts import App

from veilmart.customer.cli.account import register_account
from veilmart.customer.cli.disputes import register_disputes
from veilmart.customer.cli.library import register_library
from veilmart.customer.cli.look import register_look
from veilmart.customer.cli.network import register_network
from veilmart.customer.cli.orders import register_orders
from veilmart.customer.cli.restore_order import register_lost
from veilmart.customer.cli.shop import register_shop
from veilmart.customer.cli.tokens import register_tokens
from veilmart.customer.cli.wallet import register_wallet
from veilmart.customer.cli.web import register_web

app = App(name="customer", help="Browse, buy and keep digital goods, without the merchant knowing.")
register_account(app)
register_shop(app)
register_look(app)
register_orders(app)
register_disputes(app)
register_library(app)
register_network(app)
register_wallet(app)
register_lost(app)
register_tokens(app)
register_web(app)
