"""What trains the fusion bundle from CITE-seq sets."""
