"""Genes along the genome."""

from __future__ import annotations

from tcellflow.genes.order import CHROMOSOMES, UNPLACED, place_genes


def test_genes_lie_along_chromosomes():
    """CD3D, CD3G and CD3E are neighbours on 11, CD4 follows on 12, and what is unknown comes last."""
    symbols = ["not a gene", "CD4", "CD3E", "MT-CO1", "CD3G", "CD3D", "CD8A"]
    places = place_genes(symbols)
    assert [symbols[i] for i in places.order] == [
        "CD8A",
        "CD3E",
        "CD3D",
        "CD3G",
        "CD4",
        "MT-CO1",
        "not a gene",
    ]
    assert CHROMOSOMES[places.chromosome[2]] == "11"
    assert places.chromosome[0] == UNPLACED
    assert places.start[2] == 118304730


def test_the_order_depends_on_the_symbols_alone():
    """The same genes in another order lie the same way."""
    symbols = ["CD4", "CD8A", "B2M", "nobody", "nothing"]
    one = [symbols[i] for i in place_genes(symbols).order]
    turned = symbols[::-1]
    assert [turned[i] for i in place_genes(turned).order] == one
