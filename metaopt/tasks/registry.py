"""Kinds of tasks by name; no torch here (`metaopt.tasks.make` makes them)."""

from metaopt.errors import InvalidTasks
from metaopt.registry import Registry
from metaopt.tasks.kind import TaskKind

TASKS: Registry[TaskKind] = Registry("tasks.kind", "metaopt.tasks.kinds", InvalidTasks)
