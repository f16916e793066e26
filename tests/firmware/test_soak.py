"""A short run of soak.py: faults at random while the modelled chip listens."""

import soak


def test_faults_lose_nothing_but_what_they_cover():
    kinds, n_events, off = soak.soak(40, 30, seed=3)
    assert len(kinds) == len(soak.Soak.FAULTS)
    assert n_events > 5
    assert abs(off) < soak.HALF
