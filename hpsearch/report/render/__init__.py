"""What all reports are made of: numbers as text, tables, charts, colours and HTML pages."""
