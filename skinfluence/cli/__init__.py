"""The command line ``python -m skinfluence``: cleaning of tables, and reports."""
