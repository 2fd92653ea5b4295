"""Tables and documents that steps exchange: Parquet by contract, CSV, JSON."""
