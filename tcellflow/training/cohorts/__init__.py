"""Cohorts: labelled cells of one study each, as the manifest describes them."""
