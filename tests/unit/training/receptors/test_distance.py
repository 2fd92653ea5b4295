"""Alignment distances, and the neighbours they teach."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from receptor_corpora import make_chains, make_pairs, write_table
from tcellflow.receptors.encoding.sequences import ChainSequences
from tcellflow.receptors.encoding.tokens import build_vocabulary
from tcellflow.training.receptors.batches import BatchMaker
from tcellflow.training.receptors.corpus import TokenChains, read_corpus
from tcellflow.training.receptors.distance import AlignmentDistance, DistanceTeacher
from tcellflow.training.receptors.germline import build_germline_tables
from tcellflow.training.receptors.noise import NO_NOISE
from tcellflow.training.receptors.options import CorpusOptions, MixOptions, TeacherOptions

VOCABULARY = build_vocabulary()
TABLES = build_germline_tables(VOCABULARY)


def token_chains(*rows):
    """Make chains out of (junction, v, j)."""
    locus = np.array(["TRB"] * len(rows), dtype=object)
    tokens = VOCABULARY.tokenise(
        ChainSequences(locus, *(np.array(column, dtype=object) for column in zip(*rows, strict=True)))
    )
    return TokenChains(**{name: array.astype(np.uint8) for name, array in tokens.items()})


def distance(one, other):
    """Distance of two chains."""
    return float(AlignmentDistance(TABLES).between(token_chains(one), token_chains(other)))


SELF = ("CASSIRSSYEQYF", "TRBV19", "TRBJ2-7")


def test_the_same_chain_is_at_no_distance():
    """Equal chains are at distance 0, and distances are symmetric."""
    chains = token_chains(SELF, ("CASSPGTEAFF", "TRBV6-5", "TRBJ1-1"), ("CASRGGNTEAFF", None, None))
    between = AlignmentDistance(TABLES).between(chains, chains)
    torch.testing.assert_close(between, between.T)
    assert between.diagonal()[:2].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("junction", "cost"),
    [
        ("CASSIRSSYEQYF", 0),
        ("CASSIKSSYEQYF", 1.5 * 2),  # R and K: BLOSUM62 2, so 4 - 2
        ("CASSIWSSYEQYF", 1.5 * 4),  # R and W: -3, capped
        ("CASSIRSRSYEQYF", 1.5 * 4),  # one residue more in the middle: one gap
    ],
)
def test_junctions_cost_what_their_residues_differ_by(junction, cost):
    """Substitutions cost 4 minus their BLOSUM62 score, at most 4, gaps 4; all times 1.5."""
    assert distance(SELF, (junction, *SELF[1:])) == pytest.approx(cost)


def test_genes_cost_by_their_loops():
    """V genes with the same loops differ by their names alone, others by more; J genes by a constant."""
    same_loops = distance(("CASSF", "TRBV6-2", None), ("CASSF", "TRBV6-3", None))
    other_loops = distance(("CASSF", "TRBV6-2", None), ("CASSF", "TRBV19", None))
    same = distance(("CASSF", "TRBV6-2", None), ("CASSF", "TRBV6-2", None))
    assert same_loops - same == pytest.approx(6)
    assert other_loops > same_loops + 10
    assert distance(SELF, (*SELF[:2], "TRBJ1-1")) == pytest.approx(4)


def test_an_unknown_gene_is_neither_near_nor_far():
    """Not to know V costs more than the same V and less than the farthest one."""
    known = [
        distance(SELF, (SELF[0], name, SELF[2])) for name in VOCABULARY.v_calls if name.startswith("TRBV")
    ]
    assert 0 < distance(SELF, (SELF[0], None, SELF[2])) < max(known)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A small corpus."""
    folder = tmp_path_factory.mktemp("corpus")
    chains = write_table(folder / "chains.parquet", make_chains(200, "TRA", 1), make_chains(300, "TRB", 2))
    pairs = write_table(folder / "pairs.parquet", make_pairs(100, 3))
    return read_corpus(CorpusOptions((chains,), (pairs,)), VOCABULARY)[0]


def test_the_teacher_is_content_with_its_own_neighbours(corpus):
    """Vectors made of the teacher's distances have next to no loss, random ones a large one."""
    softness = 40.0
    teacher = DistanceTeacher(corpus, TABLES, TeacherOptions(softness, 0.1), 0)
    clean, _ = BatchMaker(corpus, 24, MixOptions(0, 0, 0), NO_NOISE, 0).draw(0)
    order = np.argsort(clean.receptor)
    chains = clean.noised.chains.take(order)
    target = -teacher._judge([(1, chains)]).double() * (0.1 / softness)
    # cosines equal to the target up to a constant: the loss looks at differences alone
    itself = torch.eye(24, dtype=torch.bool)
    target = target.masked_fill(itself, 0)
    values, vectors = torch.linalg.eigh(target - target.mean())
    shift = max(0.0, -float(values.min()))
    made = vectors * (values + shift).clamp(min=0).sqrt()
    made = functional.pad(made, (0, 1), value=0.0)
    random = functional.normalize(torch.randn(24, 64, generator=torch.Generator().manual_seed(0)), dim=1)
    own, other = teacher.measure_loss(clean, made.float()), teacher.measure_loss(clean, random)
    assert float(own) < 0.05 * float(other)


def test_kinds_are_not_compared_with_each_other(corpus):
    """A batch whose receptors are all of different kinds teaches nothing."""
    teacher = DistanceTeacher(corpus, TABLES, TeacherOptions(), 0)
    clean, _ = BatchMaker(corpus, 3, MixOptions(1 / 3, 0, 1 / 3), NO_NOISE, 0).draw(0)
    assert float(teacher.measure_loss(clean, torch.eye(3))) == 0
