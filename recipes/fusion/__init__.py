"""What trains a fusion bundle from CITE-seq sets; none is packaged."""
