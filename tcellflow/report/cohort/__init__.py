"""The page of a cohort: samples side by side, from the small files of each."""
