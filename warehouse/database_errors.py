"""What PostgreSQL refuses, by its code, and what a person can do about it.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import psycopg

# Advice by code, or by the class of codes (its first two characters).
_ADVICE = {
    "08": "the database went away: see to it and repeat",
    "57P01": "the server ended the connection: see why it was stopped, and repeat",
    "57P02": "the server crashed: see its log, and repeat",
    "57P03": "the server does not take connections now: wait until it does, and repeat",
    "57P05": "the server ended an idle connection: raise idle_session_timeout, and repeat",
    "25P03": "the server ended an idle transaction: raise idle_in_transaction_session_timeout, and repeat",
    "25P04": "the server ended a long transaction: raise transaction_timeout, and repeat",
    "57014": "the statement was cancelled: by statement_timeout or by a person; repeat",
    "53100": "the database server's disk is full: make room there, and repeat",
    "53200": "the database server is out of memory: give it more, or lower work_mem, and repeat",
    "53300": "the database server has too many connections: close some or raise max_connections, and repeat",
    "53": "the database server has not enough resources: see its log, and repeat",
    "54": "a value is larger than the database holds: shorten it, and repeat",
    "55P03": "something is locked by another session: see who holds it (`select * from pg_locks`), and repeat",
    "40": "the statement was in conflict with another session's: repeat",
    "58": "the database server has trouble with its files: see its log",
    "XX": "the database server has an internal error: see its log",
    "25006": "the database is read only: let DATABASE_URL lead to one that can be written",
    "42501": "the database user may not do that: let DATABASE_URL name the owner of our schemas, or grant it",
}


def explain(error: psycopg.Error) -> str | None:
    """Return in one line what went wrong and what to do; None for a mistake of ours, whose traceback tells more."""
    code = error.sqlstate or ("08" if isinstance(error, psycopg.OperationalError) else "")
    advice = _ADVICE.get(code) or _ADVICE.get(code[:2])
    if advice is None:
        return None
    what, _, next_step = advice.partition(": ")
    reason = error.diag.message_primary or " ".join(str(error).split())
    return f"{what} ({reason}): {next_step}"
