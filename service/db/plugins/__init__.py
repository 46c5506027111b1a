"""Plug-ins as workers described them."""
