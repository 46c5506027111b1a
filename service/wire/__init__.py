"""The study spec and every message: pydantic models shared by API, client and CLI."""
