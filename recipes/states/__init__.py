"""The packaged states bundle."""
