"""Training of networks that fuse expression and surface proteins."""
