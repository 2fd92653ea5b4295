"""What a step leaves in its folder: staged files that appear together, and the record of a run."""
