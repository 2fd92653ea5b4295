"""Receptor chains to vectors at run time: encoders, similar receptors, and the account of both."""
