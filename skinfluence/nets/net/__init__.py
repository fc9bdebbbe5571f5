"""A skorch net as functions of its parameters, with encoded labels and checked rows."""
