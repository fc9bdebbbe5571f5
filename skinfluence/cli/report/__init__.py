"""The report of the command line: one page of HTML."""
