"""The mutation tool changes what it should, and nothing else."""

import ast

import pytest
from sites import find_mutants

C = """\
/* a < b */
#define LESS(a, b) ((a) < (b))
static const int32_t table[2] = {0x0F, 3};
_Static_assert(sizeof(int) == 4, "a < b");
int32_t f(int32_t *a, int32_t n) {
  const int32_t *p = a + 1;
  if (n <= 2 && a != NULL) {
    g(&n); // n < 1
    return AED_ERR_ARGUMENT;
  }
  for (int32_t i = 0; i < n; i++) {
    *a -= p[i] << 2U;
  }
  __asm volatile("add %0, %1" : "+r"(n) : "r"(n + 1));
  return -n;
}
"""

PYTHON = '''\
"""A module: 1 < 2."""

import os


def f(a: int = 3, *, b: "int | None" = None) -> float:
    """Return 1 + 1."""
    if not a or a is b:
        raise ValueError(f"{a + 1} is wrong")
    log.info("%d", a + 1)
    a += 1
    return (
        a // 2
        + len([x for x in range(a) if x > 0.5])
    )
'''


def changes(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = find_mutants(tmp_path, name)
    for mutant in found:
        changed = mutant.apply(text)
        assert changed != text
        assert changed.count("\n") == text.count("\n"), mutant
    return found, {(m.line, " ".join(m.old.split()), " ".join(m.new.split())) for m in found}


def test_c(tmp_path):
    _, found = changes(tmp_path, "a.c", C)
    assert found == {
        (3, "2", "3"), (3, "2", "1"), (3, "0x0F", "0x10"), (3, "0x0F", "0xe"), (3, "3", "4"), (3, "3", "2"),
        (6, "+", "-"), (6, "1", "2"), (6, "1", "0"),
        (7, "n <= 2 && a != NULL", "!(n <= 2 && a != NULL)"), (7, "<=", "<"), (7, "2", "3"), (7, "2", "1"),
        (7, "&&", "||"), (7, "!=", "=="),
        (8, "g(&n)", ""), (9, "AED_ERR_ARGUMENT", "AED_OK"),
        (11, "0", "1"), (11, "<", "<="), (11, "++", "--"),
        (12, "*a -= p[i] << 2U", ""), (12, "-=", "+="), (12, "<<", ">>"), (12, "2U", "3U"), (12, "2U", "1U"),
        (15, "-n", "0"), (15, "-", ""),
    }  # fmt: skip


def test_python(tmp_path):
    mutants, found = changes(tmp_path, "a.py", PYTHON)
    assert found == {
        (6, "3", "4"), (6, "3", "2"),
        (8, "not a or a is b", "not (not a or a is b)"), (8, "not", ""), (8, "or", "and"), (8, "is", "is not"),
        (9, 'raise ValueError(f"{a + 1} is wrong")', "pass"),
        (11, "+=", "-="), (11, "1", "2"), (11, "1", "0"),
        (13, "a // 2 + len([x for x in range(a) if x > 0.5])", "( None)"), (13, "//", "*"), (13, "2", "3"), (13, "2", "1"),
        (14, "+", "-"), (14, "x > 0.5", "not (x > 0.5)"), (14, ">", ">="), (14, "0.5", "1.5"),
    }  # fmt: skip
    for mutant in mutants:
        ast.parse(mutant.apply(PYTHON))


@pytest.mark.parametrize(("name", "text"), [("a.c", C), ("a.py", PYTHON)])
def test_a_mutant_is_named_by_its_place_and_version(tmp_path, name, text):
    found, _ = changes(tmp_path, name, text)
    keys = {mutant.key(text) for mutant in found}
    assert len(keys) == len(found)
    assert not keys & {mutant.key(text + "\n") for mutant in found}
