"""The report of a study: from rows to data, from data to figures, HTML and Markdown; pure."""
