"""What Nextflow adds to a task."""
