# test/programs/kill.sh: whatever a program is doing, a time limit ends it; read
# by test/programs/programs.sh.  What fails here hangs until the limit of
# `check`. shellcheck shell=sh disable=SC2154,SC2086

for program in test/programs/kill/*.wat; do
    wat2wasm --enable-threads --enable-exceptions "$program" \
        -o "$work/$(basename "$program" .wat).wasm" || exit 1
done

# --- writing to a reader that has stopped ----------------------------------------

# On metal "both" is also about what the host command itself has to say.
for where in stdout both; do
    check "kill: $where not read" 124 sh test/programs/stopped.sh $where \
        $run --timeout 500ms "$work/spam.wasm"
done
