"""Plug-ins: tasks, models and algorithms of installed packages, and of a file of one's own.

A package declares them as entry points and is imported by a worker alone; whoever only names and
checks kinds knows them by what a worker said of them (`metaopt.plugins.described`).
"""
