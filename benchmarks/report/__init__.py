"""How long a report takes, and what it needs, for samples of many cells and for cohorts."""
