"""Why a row is suspect: its target or one of its cells, its neighbours, its kind."""
