"""A fitted skorch net as functions of its parameters; labels encoded, rows checked."""
