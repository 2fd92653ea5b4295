"""The public data sets that bundles learn from and are judged on, and what their labels mean."""
