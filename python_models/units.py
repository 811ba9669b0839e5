"""The unit of work: sessions, or some portfolios of one session, computed and written."""

import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg

from python_models.compute import compute
from python_models.inputs import Inputs, SessionBlock
from python_models.report import SessionNotes
from python_models.write import Results, Writer

# Written in one transaction, once there are so many a megabyte of memory: a million at the usual two thousand.
_ROWS_A_MEGABYTE = 500
# So many of a session's symbols and pairs are on their way while its portfolios are computed.
_ROWS_WORTH_THEIR_OWN = 100_000


@dataclass
class Done:
    """What a unit did: notes by session, rows written by table, and the most memory that its process has had, in MB."""

    notes: dict[date, SessionNotes] = field(default_factory=dict[date, SessionNotes])
    rows: Counter[str] = field(default_factory=Counter[str])
    peak_mb: int = 0

    def take(self, notes: SessionNotes) -> None:
        """Take in what was found on a session, or on a part of it."""
        known = self.notes.get(notes.day)
        self.notes[notes.day] = known.with_more(notes) if known else notes

    def add(self, more: "Done") -> None:
        """Take in what another unit did."""
        for notes in more.notes.values():
            self.take(notes)
        self.rows.update(more.rows)
        self.peak_mb = max(self.peak_mb, more.peak_mb)


def compute_blocks(
    conn: psycopg.Connection[Any],
    inputs: Inputs,
    blocks: Iterable[SessionBlock],
    finished: Callable[[], None] = lambda: None,
    check: Callable[[psycopg.Connection[Any]], None] | None = None,
) -> Done:
    """Compute what is due of blocks, and write it while the next is computed.

    Args:
        conn: with autocommit on; results are replaced in transactions of its own. `blocks` may read from it.
        inputs: what they are of.
        blocks: as they are read.
        finished: called after each session whose results are all computed.
        check: called before each transaction; what it raises ends the work.
    """
    done = Done()
    rows_at_once = inputs.asked.memory_mb * _ROWS_A_MEGABYTE
    with Writer(conn, check) as writer:
        results = Results()
        for block in blocks:
            # of the block before, now that this one has been read
            writer.write(results)
            results = Results()
            for session in block.sessions:
                for of_session, notes in compute(session, block, inputs):
                    results = results.with_more(of_session)
                    done.take(notes)
                    if results.n_rows > rows_at_once or of_session.n_rows > _ROWS_WORTH_THEIR_OWN:
                        writer.write(results)
                        results = Results()
                if block.last:
                    finished()
            writer.finish()
        writer.write(results)
    done.rows.update(writer.written)
    done.peak_mb = peak_memory_mb()
    return done


def peak_memory_mb() -> int:
    """The most memory that this process has had so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1_000_000 if sys.platform == "darwin" else 1_000)
