"""From labelled clips on disk to patches of features: reading, decoding, time-domain preprocessing, splits, cache."""

from pyaed.data.cache import cache_entries, cache_limit, cache_root, prune
from pyaed.data.check import Finding, check_clips, shared_clips, summary
from pyaed.data.clips import Clip, ClipSet, list_clips
from pyaed.data.decode import Remark, decode, read_sound, say_remarks
from pyaed.data.esc import Selection, read_clips
from pyaed.data.features import PatchSet, extract_features
from pyaed.data.preprocess import load_pcm, non_silent_intervals, preprocess, preprocessing_settings, read_pcm
from pyaed.data.sets import Sets, read_sets
from pyaed.data.splits import Splits, no_fold, split, stratified_split
from pyaed.data.store import Patches, PatchStore

__all__ = [
    "Clip",
    "ClipSet",
    "Finding",
    "PatchSet",
    "PatchStore",
    "Patches",
    "Remark",
    "Selection",
    "Sets",
    "Splits",
    "cache_entries",
    "cache_limit",
    "cache_root",
    "check_clips",
    "decode",
    "extract_features",
    "list_clips",
    "load_pcm",
    "no_fold",
    "non_silent_intervals",
    "preprocess",
    "preprocessing_settings",
    "prune",
    "read_clips",
    "read_pcm",
    "read_sets",
    "read_sound",
    "say_remarks",
    "shared_clips",
    "split",
    "stratified_split",
    "summary",
]
