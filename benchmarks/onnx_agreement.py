"""How far our engine is from onnxruntime on QDQ int8 models: share of equal bytes, largest step, decisions.

    python benchmarks/onnx_agreement.py [MODEL.keras|.h5|.onnx ...] [--clips FOLDER] [--step N] [--settings NAME ...]

Each float model is exported (Keras models by tf2onnx, channels first), quantized by onnxruntime on every fourth clip in each
way of `SETTINGS`, and run on the patches of the others. Without a model: two MiniResNets of random weights;
without clips: synthetic ones. The features are those of ``<model>_config.yaml`` beside the file, else the defaults with the
model's patch size. Compared are all int8 tensors that the engine computes before the scores (`bytes`), the scores and the decisions,
with the file as it stands (float between DequantizeLinear and QuantizeLinear) and, scores and decisions only, with the int8 kernels
that onnxruntime takes by default.
"""

import argparse
import logging
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx

from pyaed import config, data, models, nn, text
from pyaed.artefact import Input
from pyaed.data.synthetic import write_dataset
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.errors import UserError
from pyaed.models.keras import import_tensorflow, quiet_stderr
from pyaed.models.onnx import arranged, import_onnxruntime, runner, session
from pyaed.nn.onnx import layouts, load
from pyaed.quantization import quantize_onnx

DEFAULTS = {
    "granularity": "per_channel", "quantization_input_type": "int8", "quantization_output_type": "float",
    "target_opset": 17, "onnx_quant_parameters": {}, "onnx_extra_options": {},
}  # fmt: skip
SETTINGS = {
    "per channel": {},
    "per tensor": {"granularity": "per_tensor"},
    "uint8 activations": {"onnx_quant_parameters": {"activation_type": "QUInt8"}},
    "symmetric": {"onnx_extra_options": {"ActivationSymmetric": True}},
    "ST 2026": {
        "onnx_extra_options": {"CalibMovingAverage": True},
        "onnx_quant_parameters": {
            "op_types_to_quantize": ["Conv", "Relu", "Squeeze", "GlobalAveragePool", "Gemm", "Transpose"]
        },
    },
}


def exported(model, path: Path) -> Path:
    """Write a Keras model as .onnx, channels first."""
    tf = import_tensorflow()
    with quiet_stderr():
        import tf2onnx

        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        signature = (tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="patch"),)
        function = tf.function(lambda patch: model(patch, training=False), input_signature=signature)
        proto, _ = tf2onnx.convert.from_function(function, signature, opset=17, inputs_as_nchw=["patch", "patch:0"])
    path.write_bytes(proto.SerializeToString())
    return path


def fresh() -> dict[str, object]:
    """Return models of random weights."""
    section = {"pretrained_weights": False}
    kinds = {
        "miniresnet_v1": ({"name": "miniresnet", "n_stacks": 1, "version": "v1", **section}, (64, 50)),
        "miniresnet_v2": ({"name": "miniresnet", "n_stacks": 1, "version": "v2", **section}, (64, 50)),
    }
    return {
        name: models.build(config.schema.Model(**values), 10, shape, seed=1) for name, (values, shape) in kinds.items()
    }


def features(path: Path, shape: tuple[int, int], clips: list[Path]) -> list[np.ndarray]:
    """Return the patches of every clip."""
    beside = path.with_name(f"{path.stem}_config.yaml")
    if beside.is_file():
        loaded = config.load(beside)
        spec, preprocessing = (
            FeatureSpec.from_sections(loaded.feature_extraction, loaded.preprocessing),
            loaded.preprocessing,
        )
    else:
        spec, preprocessing = FeatureSpec(n_mels=shape[0], patch_length=shape[1]), config.schema.Preprocessing()
    front_end = FrontEnd(spec)
    return [front_end.patches(front_end.log_mel(data.load_pcm(clip, preprocessing))) for clip in clips]


def compared(path: Path, patches: np.ndarray, optimized: bool) -> dict[str, object]:
    """Run a quantized model in both ways and return the figures."""
    model = load(path)
    engine = nn.Engine(nn.compile_graph(nn.read_onnx(model), arena_limit=None))
    names = layouts(model)
    computed = [node.output.tensor for node in engine.program.nodes]
    scored = {model.outputs[0], *(n.input[0] for n in model.proto.graph.node if model.outputs[0] in n.output)}
    proto = onnx.ModelProto.FromString(model.proto.SerializeToString())
    # Where more outputs are asked for, onnxruntime has no int8 kernel for what lies between.
    wanted = [] if optimized else [names[i][0] for i in computed if i in names and names[i][0] not in scored]
    known = {value.name for value in proto.graph.output}
    proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in wanted if name not in known)
    runtime = import_onnxruntime(str(path))
    options = runtime.SessionOptions()
    if not optimized:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    loaded = session(proto, str(path), options=options)
    given, last = model.inputs[0], model.outputs[0]
    x = arranged(patches, model, Input())
    end = engine.program.input
    if model.dtypes[given] != "float32":
        x = np.clip(np.rint(x / np.float32(end.scale)) + end.zero_point, -128, 127).astype(end.dtype)
    equal = total = largest = 0
    scores = [[], []]
    for row in x:
        theirs = dict(zip([last, *wanted], loaded.run([last, *wanted], {given: row[np.newaxis]})))
        layers = engine.run_layers(row)
        for index, (_, ours) in zip(computed, layers):
            if names.get(index, ("",))[0] in wanted:
                name, order = names[index]
                right = theirs[name].astype(np.int32) - 128 * (theirs[name].dtype == np.uint8)
                off = np.abs(ours.reshape(-1).astype(np.int32) - right.transpose(order).reshape(-1))
                equal, total, largest = equal + int((off == 0).sum()), total + off.size, max(largest, int(off.max()))
        scores[0].append(layers[-1][1].reshape(-1))
        scores[1].append(theirs[last].reshape(-1))
    ours, right = (np.array(s) for s in scores)
    return {
        "bytes": total // len(x) or None, "equal": equal / total if total else None, "largest": largest if total else None,
        "score off": float(np.abs(ours - right).max()), "decisions": float((ours.argmax(1) == right.argmax(1)).mean()),
        "answers": (ours, right),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--step", type=int, default=1, help="every so-manyth clip")
    parser.add_argument("--settings", nargs="*", choices=SETTINGS, default=list(SETTINGS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = options.clips
        if where is None:
            write_dataset(Path(folder) / "clips", seed=1, n_clips=40)
            where = Path(folder) / "clips" / "audio"
        clips = [clip.path for clip in data.list_clips(where)][:: options.step]
        rows = []
        given = {path: None for path in options.models} or {Path(name): model for name, model in fresh().items()}
        for path, model in given.items():
            float_path = path
            if path.suffix != ".onnx":
                float_path = exported(
                    model or models.load(path), Path(folder) / f"{path.name.removesuffix(path.suffix)}.onnx"
                )
            float_model = load(float_path)
            shape = [n for n in float_model.shapes[float_model.inputs[0]] if n != 1]
            found = features(path, (shape[0], shape[1]), clips)
            calibration = np.concatenate(found[::4])[:400]
            rest = [part for i, part in enumerate(found) if i % 4]
            test, owner = np.concatenate(rest), np.repeat(np.arange(len(rest)), [len(part) for part in rest])
            by_float = runner(float_model, Input())(test)

            def clip_decisions(answers, owner=owner) -> np.ndarray:
                return np.array([answers[owner == i].sum(axis=0).argmax() for i in np.unique(owner)])

            for name in options.settings:
                settings = SimpleNamespace(**{**DEFAULTS, **SETTINGS[name]}, model_fields_set=set())
                if name == "uint8 activations":
                    settings.quantization_input_type = "float"
                quantized = Path(folder) / "q.onnx"
                try:
                    quantize_onnx(float_model, calibration, Input(), settings, None, quantized)
                    results = {
                        way: compared(quantized, test, way == "int8 kernels")
                        for way in ("int8 kernels", "as it stands")
                    }
                except UserError as error:
                    print(f"{float_path.stem}, {name}: {error}", flush=True)
                    continue
                for way, result in results.items():
                    ours, right = (clip_decisions(answers) for answers in result.pop("answers"))
                    rows.append(
                        {
                            "model": float_path.stem, "quantized": name, "onnxruntime": way, **result,
                            "clips": float((ours == right).mean()), "clips, float": float((ours == clip_decisions(by_float)).mean()),
                        }
                    )  # fmt: skip
        shares = dict.fromkeys(("equal", "decisions", "clips", "clips, float"), ".2%")
        print(
            f"{len(rest)} clips, {len(test)} patches of the last model; engine against onnxruntime {import_onnxruntime('').__version__}"
        )
        print(text.format_table(rows, {**shares, "score off": ".4f"}))


if __name__ == "__main__":
    main()
