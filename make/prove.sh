#!/bin/sh
# make/prove.sh OUT [EVERY]: prove the rows of verify/forms.def, all or each
# EVERY-th (make/prove.py).

"$1/prove-rows" >"$1/prove-samples" && make/prove.py "$@"
