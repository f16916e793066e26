"""The configuration that `pyaed init` writes."""

from pathlib import Path

from pyaed.errors import UserError
from pyaed.files import write_text

TEMPLATE = """\
# pyaed: labelled clips in, a verified detector out.   pyaed run -c THIS_FILE   (overrides: training.epochs=10)
# Keys are those of ST's model zoo; lines marked "pyaed" are additions. Keys that are left out have the defaults shown.

general:
  project_name: my_detector
  model_path:            # a model to start from: .keras, .h5, .onnx (float), .tflite or .onnx (int8)
  input_layout:          # of a model without metadata: mels_first or frames_first; default: by its shape
  global_seed: 120

# training, evaluation, quantization, prediction, benchmarking, deployment,
# chain_tbqeb, chain_tqe, chain_eqe, chain_qb, chain_eqeb, chain_qd
operation_mode: chain_tbqeb

dataset:
  # A folder of wav, flac, ogg or mp3 files and a CSV with the columns filename and category (and, optionally, fold).
  training_audio_path: audio
  training_csv_path: meta.csv
  class_names:           # a subset of the categories, in output order; default: all, sorted
  file_extension: .wav   # for file names without one
  validation_split: 0.2  # with a fold column: whole folds
  test_folds:            # pyaed: for instance [4]; without test data the validation set is the test set
  multi_label: False
  use_garbage_class: False
  skip_bad_clips: False  # pyaed: leave out clips that can't be used instead of stopping at them

preprocessing:
  target_rate: 16000     # Hz
  min_length: 2          # s: shorter clips are repeated
  max_length: 10         # s: longer ones are cut
  top_db: 60             # silence is what lies this far below the loudest frame; it is cut out
  frame_length: 3200
  hop_length: 3200
  lengthen: after

feature_extraction:
  n_mels: 64
  patch_length: 50       # frames
  overlap: 0.5
  n_fft: 1024
  hop_length: 320
  window_length: 1024
  window: hann
  center: False
  power: 2.0
  fmin: 20
  fmax: 7500
  norm: slaney
  htk: False
  to_db: False           # False: ln(mel + 1e-4); True: dB relative to full scale

data_augmentation:
  VolumeAugment: {enable: True, min_scale: 0.3, max_scale: 3}    # gain, drawn evenly in dB
  GaussianNoise: {enable: True, scale: 1}
  SpecAug: {enable: True, freq_mask_param: 8, time_mask_param: 10, n_freq_mask: 1, n_time_mask: 1}

training:
  model:
    name: miniresnet     # miniresnet, or yamnet (published weights: see PYAED_PRETRAINED in the README)
    version: v1
    n_stacks: 1
    pooling: avg         # avg, max or None
    pretrained_weights: False
  dropout: 0.3
  batch_size: 16
  epochs: 40
  optimizer:
    Adam: {learning_rate: 0.003}
  callbacks:
    LRCosineDecay: {initial_lr: 0.003, hold_steps: 4, decay_steps: 36, end_lr: 3.0e-05}

quantization:
  quantization_input_type: int8
  quantization_output_type: float
  granularity: per_channel

evaluation:
  target: [engine]       # pyaed: what computes the int8 model: engine (our C), tflite or onnxruntime, emulator

# prediction:
#   test_files_path: recordings
#   timeline: False      # pyaed: True gives the events of whole recordings (onset, offset, class, score)

deployment:
  hardware_setup:
    board: mps2_an505    # the emulated Cortex-M33
  unknown_class_threshold: 0.0
  detector:              # pyaed: from the scores of patches to events, on the board and in predict with timeline
    overlap:             # share of a patch that the next one repeats; default: that of feature_extraction
    alpha: 1.0           # share of a new score in the smoothed one; 1 smoothes nothing
    majority: 1          # patches that vote
    threshold:           # score that begins an event; default: unknown_class_threshold, or what each label has
    hysteresis: 0.0      # how far the score may fall below it before the event ends
    min_duration: 0.0    # s: shorter events are dropped
    silence_gate:        # dBFS, for instance -60: patches that are quieter throughout are not classified; default: all are
    autostart: False     # True: the board listens from the start on and prints its decisions as JSON lines

hydra:
  run:
    dir: ./experiments_outputs/${now:%Y_%m_%d_%H_%M_%S}
"""


def write_template(path: str | Path, force: bool = False) -> None:
    """Write the commented configuration; an existing file stays unless `force`."""
    path = Path(path)
    if path.exists() and not force:
        raise UserError(f"{path} exists; expected a new file, or --force to overwrite it")
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(f"{path}: expected a file name that ends in .yaml")
    write_text(path, TEMPLATE)
