"""Fitted skorch nets as functions of their parameters. Imports torch: import lazily."""
