#!/bin/sh
# setup.sh VENV: the system packages that are missing (installed where we may, else named), then the virtual environment.
set -eu
venv=$1
python=${PYTHON:-python3}
missing=

need() { # need COMMAND PACKAGE
  command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need gcc gcc
need g++ g++
need clang clang
need cmake cmake
need ninja ninja-build
need objdump binutils
need arm-none-eabi-gcc gcc-arm-none-eabi
need qemu-system-arm qemu-system-arm
# The Arm compiler comes without its C library where recommended packages are left out.
if ! command -v arm-none-eabi-gcc >/dev/null 2>&1 ||
  ! echo '#include <string.h>' | arm-none-eabi-gcc -E - >/dev/null 2>&1; then
  missing="$missing libnewlib-arm-none-eabi"
fi
if ! command -v "$python" >/dev/null 2>&1; then
  missing="$missing python3 python3-venv python3-dev"
else
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
  "$python" -c 'import os, sysconfig; os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2>/dev/null ||
    missing="$missing python3-dev"
fi

if [ -n "$missing" ]; then
  line="apt-get install -y --no-install-recommends$missing"
  if [ "$(id -u)" = 0 ]; then
    apt-get update && DEBIAN_FRONTEND=noninteractive $line
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo apt-get update && sudo DEBIAN_FRONTEND=noninteractive $line
  else
    echo "pyaed needs system packages that are missing here. Run this line, then make again:" >&2
    echo "  sudo apt-get update && sudo $line" >&2
    exit 2
  fi
fi

if ! "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'; then
  echo "pyaed needs Python 3.10 to 3.13, $python is $("$python" -V 2>&1). Choose one: make PYTHON=python3.12 ..." >&2
  exit 2
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --editable '.[dev]'
