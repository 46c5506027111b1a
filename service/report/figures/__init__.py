"""Figures as plotly.js takes them, one family a file."""
