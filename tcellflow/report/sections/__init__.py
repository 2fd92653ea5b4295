"""The sections of a sample's page: one file for each, arrays and tables in, what the page says out."""
