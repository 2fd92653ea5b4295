"""The packaged linear states bundle."""
