#!/bin/sh
# Fault F22 (docs/faults.md), and all other faults that tests/soak/soak causes at the same time, for
# 20 seconds after its warm-up.
echo 1..1
said=$(tests/soak/soak --seconds 20 2>&1) || printf 'not '
echo 'ok 1 - everything that must hold holds'
echo "$said" | sed 's/^/# /' >&2
