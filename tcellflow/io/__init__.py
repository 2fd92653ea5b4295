"""Reading and writing files: one module per format, checked on reading, atomic and byte-stable on writing.

From the ground up: ``files`` of any content; ``h5ad``, the cells file; what users bring, ``matrices`` and
``contigs``, and trained ``bundles``; the ``tables`` that steps exchange; ``outputs``, a step's folder. Each
imports only those before it.
"""
