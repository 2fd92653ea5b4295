"""T-cell states, receptor tables and a report from one sample's single-cell files.

Importing the package loads nothing heavy; the public names live in its submodules.
"""

__version__ = "0.1.0"
