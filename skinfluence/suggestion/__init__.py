"""Which method answers a question about a model: `suggest`, and the table behind it."""

from skinfluence.suggestion._suggest import Suggestion, suggest

__all__ = ["Suggestion", "suggest"]
