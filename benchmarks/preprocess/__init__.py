"""Speed and memory of preprocess beside its peer."""
