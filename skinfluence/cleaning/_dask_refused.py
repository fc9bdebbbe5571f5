"""Collections of dask, which cleaning would load into memory as a whole."""


def refuse_dask(X, y):
    """Raise TypeError if the rows or the targets are a collection of dask.

    scikit-learn would compute them without a word, several times over.
    """
    for name, value in (("X", X), ("y", y)):
        # dask's protocol, on the class, so that dask is not imported.
        if hasattr(type(value), "__dask_graph__"):
            raise TypeError(
                f"InfluenceCleaner.fit expects {name} in memory, got a "
                f"{type(value).__name__} of dask. If the table fits in memory, pass "
                f"{name}.compute(); otherwise, clean a sample of its rows."
            )
