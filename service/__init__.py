"""The service around `metaopt`: API, dispatcher, executors, database, command line."""
