#!/bin/sh
# F22, with everything else that tests/soak/soak does at the same time: 20 seconds, after its warm-up.
echo 1..1
said=$(tests/soak/soak --seconds 20 2>&1) || printf 'not '
echo 'ok 1 - all is as it must be'
echo "$said" | sed 's/^/# /' >&2
