"""The states' colours seen with colour-vision deficiencies.

Matrices: Machado, Oliveira and Fernandes 2009 (doi:10.1109/TVCG.2009.113), severity 1, on linear RGB;
distances in OKLab, in which 0.02 is about what an eye tells apart.
"""

from __future__ import annotations

import itertools
import re
from importlib import resources

import numpy as np
import pytest

from tcellflow.report.maps.scatter import colour_class
from tcellflow.vocabulary import REPORTED_STATES

SEEN = {
    "usual": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Tritan deficiency is a thousand times rarer than the other two.
LEAST = {"usual": 0.09, "protan": 0.06, "deutan": 0.06, "tritan": 0.035}
CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def place(colour, seen):
    """Give the place of a colour in OKLab as it is seen."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return np.array(LAB) @ np.cbrt(np.array(CONES) @ np.clip(np.array(seen) @ linear, 0, 1))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("kind", SEEN)
def test_no_two_states_look_alike(scheme, kind):
    """Any two states are further apart than an eye needs, in light and dark."""
    style = (resources.files("tcellflow") / "report/templates/style.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    places = {state: place(colours[colour_class(state)], SEEN[kind]) for state in REPORTED_STATES}
    for one, other in itertools.combinations(places, 2):
        assert np.linalg.norm(places[one] - places[other]) >= LEAST[kind], (one, other)
