"""What a child process inherits of connections and threads: nothing that it may use.

After ``os.fork`` a child has its parent's sockets, whose answers belong to whoever asked, and none
of its threads.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Inherited(Protocol):
    def forget_parent(self) -> None:
        """Called in the child, which has one thread: drop what was the parent's."""
        ...


_inherited: weakref.WeakSet[Inherited] = weakref.WeakSet()


def mind_forks(one: Inherited) -> None:
    """Have :meth:`Inherited.forget_parent` called in each child that is forked from now on."""
    _inherited.add(one)


def _in_child() -> None:
    for one in list(_inherited):
        one.forget_parent()


if hasattr(os, "register_at_fork"):  # where there is fork
    os.register_at_fork(after_in_child=_in_child)
