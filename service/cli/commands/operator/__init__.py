"""Commands for who runs a server: its database, keys, webhooks and plug-ins."""
