"""Tables in files: any format in, and the same format out."""
