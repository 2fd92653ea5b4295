"""Views differ by the step, and cells of a whole view by nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fusion_sets import make_set, write_sets
from tcellflow.training.fusion.batches import FusionBatches
from tcellflow.training.fusion.cells import choose_genes, list_classes, pool_sets
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.options import FusionBatchOptions, ViewOptions
from tcellflow.training.fusion.sets import read_set

_PLAIN = ViewOptions(whole=0, without_adt=0, without_rna=0, sub_panel=0, sub_genes=0, thinned=0, masked=0)


def test_narrow_views_show_the_depth_of_the_panel(tmp_path):
    """All partial cells do if asked to, none otherwise; the mask stays."""
    (entry,) = read_fusion_manifest(write_sets(tmp_path, make_set(tmp_path, "one", 0)))
    one = read_set(entry)
    one = replace(one, library=one.library * np.linspace(1, 5, len(one)))
    panel = choose_genes([one], 30)
    cells = pool_sets([one], panel, one.targets, list_classes([one]), np.zeros(len(one), np.int8))
    rows = np.arange(len(cells))

    def draw(share):
        options = FusionBatchOptions(8, 8, views=replace(_PLAIN, narrow=share))
        return FusionBatches(cells, rows, rows, options, 0, masks_genes=False).draw(3)

    wide, narrow = draw(0.0), draw(1.0)
    assert np.array_equal(wide.rows, narrow.rows)
    at = wide.rows
    np.testing.assert_array_equal(wide.view.genes.numpy(), cells.standardise(at))
    counts = cells.counts[at].toarray()
    np.testing.assert_array_equal(
        narrow.view.genes.numpy(), cells.standardise_panel(counts, cells.set_of[at])
    )
    assert narrow.view.gene_mask.all()
