"""The report of a file of rows: figures, one HTML page, Markdown. Same rows, same bytes."""
