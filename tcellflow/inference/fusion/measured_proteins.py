"""The antibody counts of a sample, by what the antibodies measure.

Invariant: counts are whole numbers; of a cell without antibodies nothing is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import InputError, OptionsError
from tcellflow.proteins.targets import sum_by_target

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tcellflow.proteins.panel import AntibodyPanel

HAS_ADT: Final = "has_adt"
_FULL_PANEL: Final = 5  # antibodies; of fewer a cell may truly have none
_NEVER_NOTHING: Final = 20  # counts of the median cell, from which on a cell with none was not stained


@dataclass(frozen=True)
class Proteins:
    """The antibodies of a sample.

    Parameters
    ----------
    panel
        As the file names them.
    targets
        What they measure, all different, none constant; shape (T,).
    counts
        Counts by target, (B, T), float32.
    constant
        Targets with the same count in every cell.
    isotypes
        Counts of the isotype controls, in the panel's order, (B, I).
    has_adt
        Which cells were measured, (B,).
    n_unstained
        Cells that were said to be measured and count nothing where others are full; not of `has_adt`.
    """

    panel: AntibodyPanel
    targets: NDArray[np.object_]
    counts: NDArray[np.float32]
    constant: tuple[str, ...]
    isotypes: NDArray[np.float32]
    has_adt: NDArray[np.bool_]
    n_unstained: int = 0


def read_proteins(
    frame: pd.DataFrame, panel: AntibodyPanel, has_adt: NDArray[np.bool_], where: object
) -> Proteins:
    """Read the antibody counts of a sample.

    Parameters
    ----------
    frame
        Counts (B, antibodies), in the order of `panel`.
    panel
        What the antibodies are.
    has_adt
        Which cells are said to be measured, (B,). Of a panel of five antibodies or more, where the median
        of these cells counts 20, one without any count was not stained and is taken for not measured.
    where
        File concerned, for errors.

    Raises
    ------
    InputError
        If a count is negative, not finite, or no whole number.
    """
    counts = frame.to_numpy(dtype=np.float64)
    said = counts[has_adt]
    if said.size and not (np.isfinite(said).all() and (said >= 0).all()):
        raise InputError(
            "antibody counts hold negative, NaN or infinite values",
            where=where,
            mend="give raw antibody counts to tcellflow preprocess",
        )
    if said.size and (said != np.rint(said)).any():
        raise InputError(
            "antibody counts hold fractions",
            where=where,
            mend="give raw antibody counts to tcellflow preprocess",
        )
    totals = said.sum(axis=1)
    measured = has_adt.copy()
    if totals.size and counts.shape[1] >= _FULL_PANEL and np.median(totals) >= _NEVER_NOTHING:
        measured[has_adt] = totals > 0
    counts = np.where(measured[:, None], counts, 0)
    targets, summed = sum_by_target(counts, panel)
    shown = summed[measured]
    varies = np.ptp(shown, axis=0) > 0 if len(shown) > 1 else shown.sum(axis=0) > 0
    return Proteins(
        panel,
        targets[varies],
        summed[:, varies],
        tuple(str(name) for name in targets[~varies]) if measured.any() else (),
        counts[:, panel.is_isotype].astype(np.float32),
        measured,
        int(has_adt.sum() - measured.sum()),
    )


def read_flags(obs: pd.DataFrame, where: object) -> NDArray[np.bool_]:
    """Read which cells are said to have antibodies: ``has_adt``, all without such a column.

    Raises
    ------
    InputError
        If it holds anything but true, false and missing values, which count as false.
    """
    if HAS_ADT not in obs:
        return np.ones(len(obs), dtype=bool)
    values = obs[HAS_ADT].astype(object)
    flags = values.where(values.notna(), other=False)
    if not flags.isin([True, False]).all():
        raise InputError(
            f"obs[{HAS_ADT!r}] is not true or false: {sorted(set(map(str, flags)))[:3]}",
            where=where,
            mend="make it a column of booleans",
        )
    return flags.to_numpy(dtype=bool)


def demand_proteins(proteins: Proteins | None, inputs: str, where: object, mend: str) -> None:
    """Refuse a sample without antibodies against a protein where these are asked for.

    Raises
    ------
    OptionsError
        If `inputs` names them and there are none.
    """
    if "adt" not in inputs or (proteins is not None and proteins.targets.size):
        return
    what = "no antibody counts" if proteins is None else "no antibody that binds a known protein and varies"
    raise OptionsError(f"the cells have {what}", where=where, mend=mend)
