"""Notifications: events of studies, told to the outside by signed webhooks."""
