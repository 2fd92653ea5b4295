"""What builds the packaged fusion bundle."""
