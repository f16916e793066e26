"""The public names: docs/api.md describes each of them, its signatures are true, its examples run, and naming them costs nothing."""

import ast
import doctest
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from support import images

import pyaed
from pyaed import artefact

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
METADATA = artefact.ModelMetadata(images.SPEC, {}, ("dog", "rain", "other"), garbage_class="other")


def entries() -> dict[str, str]:
    """Name -> what stands under its heading."""
    parts = re.split(r"^### (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    return {name: text.partition("\n## ")[0] for name, text in zip(parts[::2], parts[1::2])}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What the page's examples find where they run."""
    folder = tmp_path_factory.mktemp("api")
    shutil.copy(images.tiny_model(), folder / "model.tflite")
    artefact.write(folder / "model.tflite", METADATA)
    (folder / "recordings").mkdir()
    soundfile.write(folder / "recordings" / "street.wav", images.noise(48000), 16000)
    (folder / "my.yaml").write_text("hydra: {run: {dir: results}}\n")
    return folder


def test_the_page_has_every_public_name_once():
    assert sorted(entries()) == pyaed.__all__
    assert set(pyaed.__all__) <= set(dir(pyaed))
    linked = re.findall(r"\[(\w+)\]\(#\w+\)", PAGE.read_text(encoding="utf-8").partition("\n## ")[0])
    assert sorted(linked) == pyaed.__all__
    with pytest.raises(AttributeError, match="has no attribute 'Detector'"):
        pyaed.Detector  # noqa: B018


def test_type_checkers_see_the_same_names():
    stub = ast.parse(Path(pyaed.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    lines = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    assert {line.names[0].asname: (line.module, line.names[0].name) for line in lines} == pyaed._NAMES
    assert [ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign)] == [pyaed.__all__]


@pytest.mark.parametrize("name", pyaed.__all__)
def test_a_signature_on_the_page_is_the_functions(name):
    """Names in order and defaults; ``...`` leaves out the rest."""
    shown = re.search(r"^`(.*)`$", entries()[name], re.M)[1]
    if shown == name:  # an exception
        assert issubclass(getattr(pyaed, name), Exception)
        return
    function, inside = re.fullmatch(r"(\w+)\((.*)\)", shown).groups()
    assert function == name
    rest = inside.endswith("...")
    call = ast.parse(f"def f({inside.removesuffix('...').rstrip(', ')}): pass").body[0].args
    given = [argument.arg for argument in call.args]
    defaults = [inspect.Parameter.empty] * (len(given) - len(call.defaults)) + [*map(ast.literal_eval, call.defaults)]
    true = list(inspect.signature(getattr(pyaed, name)).parameters.values())
    assert [(p.name, p.default) for p in true[: len(given)]] == list(zip(given, defaults))
    assert rest == (len(true) > len(given))


def test_the_examples_run_from_top_to_bottom(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    parser = doctest.DocTestParser()
    for name, text in entries().items():
        blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
        assert len(blocks) == 1, name
        example = parser.get_doctest(blocks[0], {}, name, str(PAGE), 0)
        assert example.examples, name
        doctest.DocTestRunner(verbose=False).run(example)
    assert "Failed example" not in (out := capsys.readouterr().out), out


def test_a_name_costs_what_it_needs_and_nothing_before_it_is_used():
    """Importing the package loads no NumPy; all names together load no TensorFlow, and give what the table says."""
    code = (
        "import sys, pyaed; before = set(sys.modules); "
        "heavy = {'numpy', 'tensorflow', 'yaml', 'cffi', 'pydantic', 'importlib.metadata'} & before; "
        "assert not heavy, heavy; "
        "from pyaed import *; assert Engine and Board and run; "
        "assert 'numpy' in sys.modules and 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
