"""The report: what the steps' files say, as one self-contained page and one MultiQC section."""
