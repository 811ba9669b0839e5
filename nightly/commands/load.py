"""The command `load`: portfolios from CSV files."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import click

from ingest.books.cells import parse_date, parse_non_negative, parse_text
from nightly.commands.options import Cell
from nightly.invocation import as_typed
from nightly.output.terminal import echo
from warehouse.errors import BadInput

FOLDER_HELP = """Load portfolios from CSV files.

\b
  load DIR                a folder of portfolio files, the first two required
  load positions FILE     one position file of our own columns
  load broker FILE…       position lists as brokers export them
  load transactions FILE… transactions, as brokers list them
  load statement FILE…    compare position lists with what was rolled

The files of DIR, with their columns in any order:

\b
  portfolios.csv     name, starting_equity, inception_date, [benchmark],
                     [currency], [lot_matching], [shares_as_of]
                     (benchmark: a symbol, SPY by default; lot_matching:
                     fifo, lifo, hifo, average or named, for transactions;
                     shares_as_of: the day in whose shares lots are stated)
  positions.csv      portfolio and the position columns below
  closes.csv         portfolio, symbol, entry_date, trade_date,
                     quantity_closed, close_price, [fees]
  capital_flows.csv  portfolio, date, type, amount
                     (type: CONTRIBUTION or WITHDRAWAL)
  cash_items.csv     portfolio, date, type, amount
                     (type: INTEREST, FEE, TAX, BORROW or OTHER; amount as
                     it moves the cash: a cost is negative)
  manual_prices.csv  portfolio, symbol, date, price
                     (marks of PRIVATE holdings)
  sector_tags.csv    portfolio, symbol, entry_date, sector
  transactions.csv   portfolio, date, type, symbol, quantity, price, amount,
                     fees, [lot]: in place of positions, closes, flows and
                     cash items (load transactions --help)
  corporate_actions.csv
                     symbol, ex_date, action_type, value, [new_symbol,
                     cash_per_share, cost_fraction]: what holds whatever the
                     sources say (SPLIT, DIVIDEND, RENAME, MERGER, SPINOFF,
                     DELISTING)
  fund_sectors.csv   symbol, sector, weight, as_of: what funds hold on a
                     day, as shares of the whole (0.288 or 28.8%); in place
                     of what the sources say of these funds

\b
The position columns:
  Symbol, Quantity, Entry Price Per Share, Entry Date
  and, where they apply: Investment Class (PUBLIC, OPTIONS or PRIVATE),
  Investment Subtype, Underlying Symbol, Strike Price, Expiration Date,
  Option Type (CALL or PUT), Exit Date, Exit Price Per Share

The starting equity is all that the portfolio is worth at the close of the session before its inception: cash, and what
is carried in (lots entered before) at market, not at cost.

In place of the price, Total Cost may tell what a whole lot has cost; other names that brokers have for these columns
are known, and columns that are none of them are left out and told.

A negative quantity is a short. An option is told by its option columns or by a symbol like AAPL250620C00200000; with
the columns filled, Symbol may be empty. The symbol of a PRIVATE holding is any text. Money may be written $1,234.50 or
(1,234.50), dates are YYYY-MM-DD, a line that starts with # is a comment. A lot is a portfolio, a symbol and an entry
date; closes and tags name it by these.

A file replaces its kind of row for the portfolios that it names. Other portfolios, and kinds whose file is absent,
stay as they are: so do the positions of a portfolio that positions.csv does not name. Loading the same files again
changes nothing. With anything wrong in any file nothing is loaded: each problem is listed as
"file:line: column: what", and the exit status is 2.

A folder that is called as one of the commands is loaded with a path: load ./positions
"""


_STRICT = click.option("--strict", is_flag=True, help="Refuse the files where a load only warns otherwise.")


class _FolderOrCommand(click.Group):
    """A group whose first argument is either one of its commands or a folder."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and (args[0] == "DIR" or args[0] not in self.commands):
            args = ["DIR", *args]
        return super().parse_args(ctx, args)


class _Refused(click.ClickException):
    """Refused files: the problems go to stderr unchanged, one a line, and the exit status is 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        click.echo(as_typed(self.message), file=file, err=file is None)


def _parse_name(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    return parse_text(text)


@click.group(cls=_FolderOrCommand, help=FOLDER_HELP, subcommand_metavar="DIR | COMMAND FILE …", no_args_is_help=True)
def load() -> None:
    """The group of commands that load something."""


@load.command("DIR", hidden=True)
@click.argument("folder", metavar="", type=click.Path(path_type=Path))
@_STRICT
def folder(folder: Path, strict: bool) -> None:
    """Load a folder of portfolio files; `load --help` explains them."""
    from ingest.books.portfolios import load_folder

    with _database(f"load {folder.name}") as conn:
        echo("\n".join(load_folder(conn, folder, strict=strict).lines()))


@load.command("positions", short_help="Load one brokerage-style position file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--portfolio", required=True, type=Cell("name", _parse_name), help="The portfolio's name.")
@click.option(
    "--equity",
    required=True,
    type=Cell("amount", parse_non_negative),
    help="What it is worth in USD at the close of the session before its inception: cash, and lots entered before at"
    " market.",
)
@click.option("--inception", type=Cell("date", parse_date), help="Its first day; by default the earliest entry date.")
@click.option(
    "--shares-as-of",
    type=Cell("date", parse_date),
    help="The day in whose shares FILE is stated, such as that on which a broker's list was downloaded; by default"
    " each lot's entry date, or the inception for lots entered before.",
)
@_STRICT
def positions(
    file: Path, portfolio: str, equity: Any, inception: date | None, shares_as_of: date | None, strict: bool
) -> None:
    """Load FILE as the positions of one portfolio, and create the portfolio if it is new.

    FILE has the position columns that `load --help` lists. Positions of the portfolio that FILE lacks are removed.
    """
    from ingest.books.portfolios import load_positions_file

    with _database(f"load positions {file.name}") as conn:
        report = load_positions_file(conn, file, portfolio, equity, inception, shares_as_of=shares_as_of, strict=strict)
        echo("\n".join(report.lines()))


_LAYOUT = click.option("--layout", help="The broker's layout; by default recognised by the file's header.")
_SYMBOLS = click.option(
    "--symbols",
    type=click.Path(path_type=Path),
    help="A file of lines `written,symbol`: the symbol of an ISIN, CUSIP or name in the file.",
)
_FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


@load.command("broker", short_help="Load position lists as brokers export them.")
@_FILES
@_LAYOUT
@click.option("--portfolio", type=Cell("name", _parse_name), help="One portfolio for all accounts of the files.")
@click.option(
    "--as-of", type=Cell("date", parse_date), help="The day whose close the list shows; by default the file's own."
)
@click.option(
    "--equity", type=Cell("amount", parse_non_negative), help="What it is worth then; by default positions and cash."
)
@click.option("--skip", multiple=True, help="Leave out rows whose symbol or description holds this text.")
@_SYMBOLS
@_STRICT
def broker(files: tuple[Path, ...], **options: Any) -> None:
    """Load position lists of Fidelity, Schwab, Vanguard, Interactive Brokers, Degiro, E*TRADE, Merrill, Yahoo Finance,
    or any list with a symbol and a quantity.

    Each account becomes a portfolio that begins at the close of the list's day, with the list's cash and with the
    positions at their cost and in that day's shares. Preambles, totals and disclaimers are skipped; money-market funds
    count as cash; only the last four digits of an account number are kept.
    """
    from ingest.books.load_broker import StatementOptions, load_broker

    with _database(f"load broker {files[0].name}") as conn:
        echo("\n".join(load_broker(conn, files, StatementOptions(**options)).lines()))


@load.command("transactions", short_help="Load transactions, as brokers list them.")
@_FILES
@click.option(
    "--lots",
    type=click.Choice(["fifo", "lifo", "hifo", "average", "named"]),
    help="Which lots a sale takes: the oldest (fifo, the default of a new portfolio), the newest, the dearest, equal"
    " parts of all, or the one of the date in the column lot.",
)
@_LAYOUT
@click.option("--portfolio", type=Cell("name", _parse_name), help="The portfolio of files that name none.")
@click.option("--equity", type=Cell("amount", parse_non_negative), help="Its equity at the close before its inception.")
@click.option(
    "--inception", type=Cell("date", parse_date), help="Its first day; by default that of its first transaction."
)
@click.option("--add", "keep", is_flag=True, help="Keep transactions of days before and after those of the files.")
@click.option("--replace", is_flag=True, help="Drop all that was loaded before, lots and flows too.")
@click.option("--skip", multiple=True, help="Leave out lines whose action, symbol or description holds this text.")
@_SYMBOLS
@_STRICT
def transactions(files: tuple[Path, ...], **options: Any) -> None:
    """Load FILES as the transactions of their portfolios; lots, closes, flows and cash items are derived from them.

    \b
    The columns of our own: portfolio, date, type, symbol, quantity, price, amount, fees, [lot]
    type: BUY SELL SHORT COVER DIVIDEND REINVEST INTEREST FEE TAX DEPOSIT WITHDRAWAL
          TRANSFER_IN TRANSFER_OUT SPLIT ASSIGN EXERCISE EXPIRE

    Lines of one day count in the order of the file. A sale of more shares than are held closes only those, with a
    warning: only SHORT opens a short. In a TRANSFER_IN, price is the cost of a share and lot the day of its purchase;
    the shares join at the session's close, at their value then. ASSIGN and EXERCISE end the option at 0 and move the
    shares at its strike; EXPIRE ends it at its price, or at 0. A DIVIDEND replaces the one of the sources.

    Activity lists of Fidelity, Schwab, Vanguard, Interactive Brokers, Robinhood, Degiro, E*TRADE, Merrill, Trading 212,
    Ghostfolio, Portfolio Performance, Snowball Analytics, Sharesight and Yahoo Finance are recognised by their headers,
    and so is any list with a date, an action, a symbol and a quantity. A line that several of FILES repeat counts once.
    Spin-offs, mergers and the like are left out: they reach every holder through the market's events.
    """
    from ingest.books.load_transactions import TransactionOptions, load_transactions

    with _database(f"load transactions {files[0].name}") as conn:
        echo("\n".join(load_transactions(conn, files, TransactionOptions(**options)).lines()))


@load.command("statement", short_help="Compare position lists with what was rolled.")
@_FILES
@_LAYOUT
@click.option("--portfolio", type=Cell("name", _parse_name), help="The portfolio that the list is of.")
@click.option(
    "--as-of", type=Cell("date", parse_date), help="The day whose close the list shows; by default the file's own."
)
@click.option("--skip", multiple=True, help="Leave out rows whose symbol or description holds this text.")
@_SYMBOLS
@click.pass_context
def statement(ctx: click.Context, files: tuple[Path, ...], **options: Any) -> None:
    """Compare position lists of a broker with the stored positions, and list each difference with its likely cause.

    Quantities, costs and cash are compared at the close of the list's day. Nothing is changed. The exit status is 1
    where something differs.
    """
    from ingest.books.load_broker import StatementOptions
    from ingest.books.reconcile import reconcile

    with _database(f"load statement {files[0].name}") as conn:
        lines, agrees = reconcile(conn, files, StatementOptions(**options))
    echo("\n".join(lines))
    ctx.exit(0 if agrees else 1)


@contextmanager
def _database(holder: str) -> Iterator[Any]:
    """Connect to the migrated database and hold its run lock; files that are refused end the command."""
    from warehouse.database import open_database
    from warehouse.locks import run_lock
    from warehouse.migrate import migrate
    from warehouse.settings import load_settings

    try:
        with open_database(load_settings()) as database, database.connect("afterclose load") as conn:
            migrate(conn)
            with run_lock(conn, holder):
                yield conn
    except BadInput as error:
        raise _Refused(str(error)) from None
