"""What builds the shipped bundles, tables and samples from public data."""
