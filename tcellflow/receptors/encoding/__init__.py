"""Receptors as encoders read them: keys, distinct chains, sequences and tokens."""
