"""The command line: declarations only; heavy imports happen inside the chosen command."""
