"""What can be wrong with a request or a setup, said so that the operator knows what to do next."""

from collections.abc import Iterable


class UserError(Exception):
    """The request or the setup is wrong; nothing was done. The message is one line: what, where, what to do next."""


class BadInput(UserError):  # noqa: N818
    """Files that were refused as a whole; `problems` holds every `file:line: column: what is wrong`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Busy(UserError):  # noqa: N818
    """Another run holds the lock of this database."""


class TakenOver(UserError):  # noqa: N818
    """This run has lost its lock, and another has begun since: it must not write any more."""
