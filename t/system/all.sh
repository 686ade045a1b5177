#!/bin/sh
# Every whole-system test, with the real daemons.
exec python3 "${srcdir:-.}/t/system/run.py" "$@"
