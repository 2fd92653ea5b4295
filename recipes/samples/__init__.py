"""The packaged samples."""
