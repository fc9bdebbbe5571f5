"""Semivalues: games of training rows, schemes that sample them, estimates."""
