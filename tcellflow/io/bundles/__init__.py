"""Bundles on disk: folders with a trained network, what they say of themselves, and their digests."""
