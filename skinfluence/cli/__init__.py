"""The command line ``python -m skinfluence``: tables in, tables and a report out."""
