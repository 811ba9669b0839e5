"""Make dbt's behavior flags cheap: dbt makes them for each invocation, and asks for each one which module did so.

It answers with `inspect`, which looks through all modules for each function of the call stack. And each adapter adds
its own flags to a list that all adapters of a process share, so that each invocation would take longer than the last.
"""

import sys


def name_quickly() -> None:
    """Make dbt, in this process, read a module's name from the call stack itself. The answer is the same."""
    from dbt_common.behavior_flags import BehaviorFlagRendered

    BehaviorFlagRendered._default_source = staticmethod(_name_of_caller)


def forget_repeated() -> None:
    """Leave each flag once in the list that all adapters share."""
    from dbt.adapters.base.impl import DEFAULT_BASE_BEHAVIOR_FLAGS as FLAGS

    FLAGS[:] = {flag["name"]: flag for flag in FLAGS}.values()


def _name_of_caller() -> str:
    frame = sys._getframe()
    while frame := frame.f_back:
        name = frame.f_globals.get("__name__")
        if name and name != "dbt_common.behavior_flags":
            return name
    return "Unknown"
