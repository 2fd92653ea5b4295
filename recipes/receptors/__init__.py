"""The packaged receptor encoder."""
