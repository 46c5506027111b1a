"""Pages: a report as HTML, Markdown and CI summary."""
