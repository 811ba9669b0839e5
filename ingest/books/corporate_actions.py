"""corporate_actions.csv: splits, dividends and events from people."""

from ingest.books.csv_files import CsvFile
from ingest.market.decisions import BadAction, check_action_of_person
from ingest.rows import DIVIDEND, CorporateAction


def read_actions(file: CsvFile) -> list[CorporateAction]:
    """Return the file's actions, equal rows once; rows that make no sense go to its problems."""
    actions: dict[CorporateAction, None] = {}
    first_lines: dict[tuple[object, ...], int] = {}
    for row in file.rows:
        if row.bad:
            continue
        try:
            action = check_action_of_person(**row.cells)
        except BadAction as problem:
            file.report(row.line, problem.column, str(problem))
            continue
        first = first_lines.setdefault(action[:3], row.line)
        if first != row.line and action not in actions and action.action_type != DIVIDEND:
            what = f"line {first} has another {action.action_type} of {action.symbol} on {action.ex_date}: keep one"
            file.report(row.line, "value", what)
        actions[action] = None
    return list(actions)
