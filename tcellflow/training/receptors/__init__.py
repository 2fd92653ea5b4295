"""Training of receptor encoders."""
