"""Losses and penalties with kinks: active sets that are checked and continued."""
