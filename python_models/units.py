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

# Rows written in one transaction, for each megabyte of memory: a million at the usual two thousand.
_ROWS_A_MEGABYTE = 500
# From so many rows of symbols and pairs on, a session's are written while its portfolios are computed.
_ROWS_WORTH_THEIR_OWN = 100_000


@dataclass
class Done:
    """The outcome of a unit: notes by session, rows written by table, and the peak memory of its process in MB."""

    notes: dict[date, SessionNotes] = field(default_factory=dict[date, SessionNotes])
    rows: Counter[str] = field(default_factory=Counter[str])
    peak_mb: int = 0

    def add_notes(self, notes: SessionNotes) -> None:
        """Add the notes on a session, or on a part of it."""
        known = self.notes.get(notes.day)
        self.notes[notes.day] = known.with_more(notes) if known else notes

    def add(self, more: "Done") -> None:
        """Add the outcome of another unit."""
        for notes in more.notes.values():
            self.add_notes(notes)
        self.rows.update(more.rows)
        self.peak_mb = max(self.peak_mb, more.peak_mb)


def compute_blocks(
    conn: psycopg.Connection[Any],
    inputs: Inputs,
    blocks: Iterable[SessionBlock],
    finished: Callable[[], None] = lambda: None,
    check: Callable[[psycopg.Connection[Any]], None] | None = None,
) -> Done:
    """Compute the due results of blocks, and write those of one while the next is computed.

    Args:
        conn: a connection with autocommit on; results are replaced in separate transactions. `blocks` may read from it.
        inputs: the inputs of the pass.
        blocks: the blocks, read one by one.
        finished: called after each session whose results are all computed.
        check: called before each transaction; an exception from it ends the work.
    """
    done = Done()
    rows_at_once = inputs.asked.memory_mb * _ROWS_A_MEGABYTE
    with Writer(conn, check) as writer:
        results = Results()
        for block in blocks:
            # write the results of the block before, now that this one has been read
            writer.write(results)
            results = Results()
            for session in block.sessions:
                for of_session, notes in compute(session, block, inputs):
                    results = results.with_more(of_session)
                    done.add_notes(notes)
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
    """The peak memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1_000_000 if sys.platform == "darwin" else 1_000)
