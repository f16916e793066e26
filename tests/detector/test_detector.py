"""The detector behind the model: the C against a plain statement of its rules, and the defaults against plain decisions."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyaed.artefact import ModelMetadata
from pyaed.config.schema import Detector as Section
from pyaed.detector import DetectorSettings, EventFinder, StreamFrontEnd, find_events, loud_patches
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.errors import UserError

SPEC = FeatureSpec(n_fft=256, window_length=200, hop_length=100, n_mels=16, patch_length=12, overlap=0.5)
NAMES = ("dog", "rain", "other")
ONE = ModelMetadata(SPEC, {}, NAMES, garbage_class="other", unknown_class_threshold=0.55)
MANY = ModelMetadata(SPEC, {}, NAMES, multi_label=True, class_thresholds=(0.5, 0.5, 0.25))


def short(events):
    return [(e["class"], round((e["onset"]) / 0.0375), round(e["score"], 3)) for e in events]


def test_runs_of_patches_become_events():
    p = np.array([[0.9, 0.1, 0], [0.7, 0.3, 0], [0.2, 0.8, 0], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1], [0.6, 0.4, 0]])
    detector = DetectorSettings.from_settings(ONE)
    events = find_events(p, detector)
    assert events[0] == {"onset": 0.0, "offset": round(1900 / 16000, 3), "class": "dog", "score": 0.8}
    assert short(events) == [("dog", 0, 0.8), ("rain", 2, 0.8), ("dog", 5, 0.6)]


def test_several_labels_overlap():
    p = np.array([[0.9, 0.1, 0], [0.7, 0.6, 0], [0.2, 0.8, 0.3]])
    events = find_events(p, DetectorSettings.from_settings(MANY))
    assert short(events) == [("dog", 0, 0.8), ("rain", 1, 0.7), ("other", 2, 0.3)]
    own = Section(threshold=0.65, class_thresholds={"dog": 0.8})
    assert short(find_events(p, DetectorSettings.from_settings(MANY, own))) == [("dog", 0, 0.9), ("rain", 2, 0.8)]


def test_each_setting_does_what_it_says():
    def found(section, scores):
        p = np.zeros((len(scores), 3))
        p[:, 0] = scores
        return short(find_events(p, DetectorSettings.from_settings(ONE, section)))

    scores = [0.9, 0.5, 0.7, 0.1, 0.6, 0.1, 0.1]
    assert found(Section(), scores) == [("dog", 0, 0.9), ("dog", 2, 0.7), ("dog", 4, 0.6)]
    assert found(Section(hysteresis=0.1), scores) == [("dog", 0, 0.7), ("dog", 4, 0.6)]
    assert found(Section(threshold=0.65), scores) == [("dog", 0, 0.9), ("dog", 2, 0.7)]
    assert found(Section(hysteresis=0.1, min_duration=0.1), scores) == [("dog", 0, 0.7)]
    # 0.9, 0.7, 0.7, 0.4 ...
    assert found(Section(alpha=0.5), scores) == [("dog", 0, 0.767)]
    # active: 1 0 1 0 1 0 0; of the last three: 1 1 2 1 2 1 1
    assert found(Section(majority=3), scores) == [("dog", 2, 0.7), ("dog", 4, 0.6)]


def reference(p, classified, d: DetectorSettings):
    """The rules of aed_events.h in Python, in float32."""
    n = len(d.on)
    on, off = np.float32(d.on), np.float32(d.off)
    alpha, smooth = np.float32(d.alpha), None
    keep = np.float32(1) - alpha
    active, last = np.zeros(n, bool), deque([np.zeros(n, bool)] * d.majority, d.majority)
    runs, events, rows = {}, [], iter(np.float32(p))

    def close(i):
        first, values = runs.pop(i)
        if len(values) >= d.min_patches:
            total = np.float32(0)
            for value in values:
                total += value
            events.append((first, len(values), i, total / np.float32(len(values))))

    for patch, loud in enumerate(classified):
        x = next(rows) if loud else np.zeros(n, np.float32)
        smooth = x if smooth is None else keep * smooth + alpha * x
        if not loud or smooth.max() < np.float32(d.unknown_threshold):
            active = np.zeros(n, bool)
        elif d.multi_label:
            active = smooth >= np.where(active, off, on)
        else:
            top = int(np.argmax(smooth))
            active = np.eye(n, dtype=bool)[top] if smooth[top] >= on[top] else active & (smooth >= off)
        if d.garbage_class >= 0:
            active[d.garbage_class] = False
        last.append(active.copy())
        for i in range(n):
            if 2 * sum(row[i] for row in last) > d.majority:
                runs.setdefault(i, (patch, []))[1].append(smooth[i])
            elif i in runs:
                close(i)
    for i in sorted(runs):
        close(i)
    return sorted(events)


@given(
    st.lists(st.lists(st.integers(0, 8), min_size=3, max_size=3), max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
    st.builds(
        Section,
        alpha=st.sampled_from([1.0, 0.7, 0.1]),
        majority=st.integers(1, 5),
        hysteresis=st.sampled_from([0.0, 0.125, 0.3]),
        min_duration=st.sampled_from([0.0, 0.1, 0.2]),
        threshold=st.none() | st.sampled_from([0.0, 0.25, 0.5]),
    ),
    st.sampled_from([ONE, MANY, replace(MANY, unknown_class_threshold=0.4), replace(ONE, garbage_class=None)]),
    st.booleans(),
)
def test_the_c_keeps_its_rules_to_the_bit(rows, loud, section, metadata, gated):
    detector = DetectorSettings.from_settings(metadata, section)
    classified = loud[: len(rows)] if gated else [True] * len(rows)
    p = np.float32([row for row, used in zip(rows, classified) if used]).reshape(-1, 3) / 8
    expected = [
        {
            "onset": round(first * 600 / 16000, 3),
            "offset": round(((first + n - 1) * 600 + 1300) / 16000, 3),
            "class": NAMES[i],
            "score": round(float(score), 6),
        }
        for first, n, i, score in reference(p, classified, detector)
    ]
    assert find_events(p, detector, classified) == sorted(expected, key=lambda e: (e["onset"], e["class"]))


def test_finder_is_fresh_after_its_end():
    finder, scores = EventFinder(DetectorSettings.from_settings(ONE, Section(alpha=0.5))), np.float32([1, 0, 0])
    first = [finder.push(scores), finder.decision, finder.finish()]
    assert [finder.push(scores), finder.decision, finder.finish()] == first
    assert first[1] == 0
    assert finder.decision == -1
    with pytest.raises(ValueError, match="2 scores for 3 classes"):
        finder.push(np.zeros(2, np.float32))


def test_gate_opens_for_a_patch_that_holds_a_loud_hop():
    detector = DetectorSettings.from_settings(ONE, Section(silence_gate=-40))
    pcm = np.zeros(9000, np.int16)
    pcm[4000:4100] = 400  # one hop at -38 dBFS
    front_end = StreamFrontEnd(detector)
    n = len(front_end(pcm))
    classified, level = loud_patches(pcm, n, detector)
    starts = 600 * np.arange(n) + SPEC.first_sample
    holds = (starts < 4100) & (starts + 1300 >= 4100)
    assert classified.tolist() == holds.tolist()
    assert sorted(level)[-2:] == [0, 400**2]
    assert loud_patches(pcm // 2, n, detector)[0].sum() == 0
    assert loud_patches(pcm // 2, n, DetectorSettings.from_settings(ONE))[0].all()


@given(st.integers(0, 4000))
def test_a_stream_needs_no_more_than_its_windows(n):
    detector = DetectorSettings.from_settings(ONE)
    pcm = np.random.default_rng(n).integers(-9999, 9999, n).astype(np.int16)
    ours, clip = StreamFrontEnd(detector)(pcm), FrontEnd(SPEC)(pcm)
    assert len(clip) <= len(ours) <= len(clip) + 1
    assert ours[: len(clip)].tobytes() == clip.tobytes()
    assert len(ours) == max(0, 1 + (n - SPEC.first_sample - 1300) // 600)


def test_own_overlap_and_what_is_refused():
    detector = DetectorSettings.from_settings(ONE, Section(overlap=0.75))
    assert detector.features.patch_hop == 3
    assert DetectorSettings.from_settings(ONE).features.patch_hop == 6
    with pytest.raises(UserError, match=r"'dig' is no class of the model.*dog"):
        DetectorSettings.from_settings(ONE, Section(class_thresholds={"dig": 0.5}))
    spec = replace(SPEC, center=True, pad_mode="reflect")
    with pytest.raises(UserError, match="can't exist on a device"):
        StreamFrontEnd(DetectorSettings.from_settings(replace(ONE, features=spec)))


def test_settings_have_a_fingerprint():
    base = DetectorSettings.from_settings(ONE)
    others = [{"alpha": 0.5}, {"majority": 3}, {"hysteresis": 0.1}, {"silence_gate": -60}, {"overlap": 0.75}]
    crcs = {DetectorSettings.from_settings(ONE, Section(**other)).crc for other in others} | {base.crc}
    assert len(crcs) == 6
    assert DetectorSettings.from_settings(ONE, Section(autostart=True)).crc == base.crc
