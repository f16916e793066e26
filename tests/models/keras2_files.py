"""Writes model files as Keras 2 laid them out."""

import json

import h5py


def write_keras2(path, layers, weights, inputs="x", outputs=None, kind="Functional"):
    """Write a file as Keras 2 laid it out: `layers` are (class, name, config, inbound names).

    A layer that is used several times has a list of inbound names for each; ("d", 1) is what the second use of d gives.
    """

    def reference(source):
        name, use = (source, 0) if isinstance(source, str) else source
        return [name, use, 0, {}]

    def uses(sources):
        return sources if sources and isinstance(sources[0], list) else [sources]

    entries = [
        {
            "class_name": kind_of,
            "name": name,
            "config": {"name": name, **config},
            "inbound_nodes": [[reference(source) for source in use] for use in uses(sources)] if sources else [],
        }
        for kind_of, name, config, sources in layers
    ]
    last = reference(outputs or layers[-1][1])[:3]
    config = {"name": "m", "layers": entries, "input_layers": [[inputs, 0, 0]], "output_layers": [last]}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.9.0"
        file.attrs["model_config"] = json.dumps({"class_name": kind, "config": config})
        file.create_group("model_weights").attrs["layer_names"] = [layer.encode() for layer in weights]
        for layer, variables in weights.items():
            group = file.create_group(f"model_weights/{layer}")
            group.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name in variables]
            for name, value in variables.items():
                group[f"{layer}/{name}:0"] = value
    return path
