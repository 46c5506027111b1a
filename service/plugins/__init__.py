"""Plug-ins in a process that never imports them: known by what workers said of them."""
