"""Training: data in, bundles out; needs the extra ``[train]``."""
