#!/bin/sh
# The real daemon under valgrind's tools; see t/system/test_valgrind.py.
FC_VALGRIND=1 FC_PATIENCE=${FC_PATIENCE:-4} \
  exec python3 "${srcdir:-.}/t/system/run.py" test_valgrind
