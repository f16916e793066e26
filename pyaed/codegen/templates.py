"""The Jinja2 templates of generated C."""

import functools
import json

import jinja2

from pyaed.codegen.literals import c_comment, c_float, c_string
from pyaed.sources import source_root


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(source_root() / "firmware" / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(c_string=c_string, c_comment=c_comment, c_float=c_float, json_text=_json_text)
    return environment


def _json_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def c_template(name: str) -> jinja2.Template:
    """Return a template of ``firmware/templates``: an undefined name is an error, whitespace stays as written."""
    return _environment().get_template(name)
