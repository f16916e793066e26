"""Feature specifications that the tests go through: every published one and a spread of the settings."""

from dataclasses import replace

from pyaed.dsp import FeatureSpec

YAMNET = FeatureSpec()
MINIRESNET = FeatureSpec(
    n_fft=1024, window_length=1024, hop_length=320, center=True, power=2.0, fmin=20, norm="slaney", htk=False,
    to_db=True, patch_length=50,
)  # fmt: skip

SPECS = {
    "yamnet": YAMNET,
    "miniresnet": MINIRESNET,
    "log_power": FeatureSpec(n_fft=1024, window_length=1024, hop_length=320, power=2.0, norm="slaney", htk=False),
    "db_amplitude": FeatureSpec(to_db=True, power=1.0, db_reference=2.5, top_db=60.0, overlap=0.5),
    "wide_hop": FeatureSpec(n_fft=256, window_length=200, hop_length=300, n_mels=20, patch_length=10, overlap=0.0),
    "smallest": FeatureSpec(
        sample_rate=8000, n_fft=64, window_length=33, hop_length=7, n_mels=5, fmin=0, fmax=4000, window="hamming",
        patch_length=3, overlap=0.34,
    ),
    "largest": FeatureSpec(
        sample_rate=48000, n_fft=4096, window_length=4096, hop_length=1024, n_mels=128, fmin=50, fmax=24000,
        window="blackman", patch_length=8, overlap=0.9, center=True, pad_mode="reflect",
    ),
    "n2048": FeatureSpec(n_fft=2048, window_length=1500, hop_length=512, window="rectangular", patch_length=5, power=2.0),
    "mfcc": FeatureSpec(
        n_fft=1024, window_length=640, hop_length=320, n_mels=40, n_mfcc=13, power=2.0, norm="slaney", htk=False, fmin=20,
        fmax=8000, to_db=True, patch_length=9,
    ),
    "mfcc_log": FeatureSpec(n_mels=26, n_mfcc=26, patch_length=11),
    "miniresnet_max": replace(MINIRESNET, db_reference="max"),
    "short_window": FeatureSpec(n_fft=1024, window_length=201, hop_length=90, n_mels=17, patch_length=4, fmin=300),
    "half_window": FeatureSpec(n_fft=512, window_length=255, hop_length=80, n_mels=30, patch_length=6, center=True),
    "n128": FeatureSpec(n_fft=128, window_length=96, hop_length=64, n_mels=10, patch_length=7, fmin=0, norm="slaney"),
    "edge": FeatureSpec(center=True, pad_mode="edge", power=2.0, n_mels=40, htk=False, include_last_patch=True),
    "n4096": FeatureSpec(
        sample_rate=44100, n_fft=4096, window_length=2500, hop_length=441, n_mels=40, fmax=20000, htk=False, patch_length=6,
    ),
}  # fmt: skip

#: What no device can honour.
HOST_ONLY = {n for n, s in SPECS.items() if s.db_reference == "max" or (s.center and s.pad_mode != "constant")}
