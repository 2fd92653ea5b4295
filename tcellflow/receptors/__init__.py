"""Receptors: usable chains, IMGT segment names, pairing and clonotypes."""
