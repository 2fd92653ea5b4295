"""The figures of the T-cell gate and of its marker genes."""
