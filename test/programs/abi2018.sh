# test/programs/abi2018.sh: the module "abi", the calls of 2018: what they do
# and each of their errors, group by group; read by test/programs/programs.sh.
# shellcheck shell=sh disable=SC2154,SC2086

wat2wasm test/programs/child2018.wat -o "$work/child.wasm" || exit 1

for group in handles signals channels streams threads drivers limits; do
    check "abi: $group" 0 $run "$user/abi2018.wasm" $group
    says "abi: $group" stdout "^[0-9]* checks$"
done

# Handles that it does not have, and a program that has no descriptors.
{
    echo "no channel"
} >"$work/want"
check "abi: a program of 2018" 0 $run "$work/child.wasm"
{
    echo "to the child"
    echo "and again"
    echo "exit: 18446744073709551602"
    echo "the end"
} >"$work/want.child"
check "abi: processes" 0 $run --dir "$work/child.wasm::/child.wasm" \
    "$user/abi2018.wasm" processes
says "abi: print without a descriptor" stderr "^ours: no channel$"
verdict "abi: the child shows what comes" "$(grep -v ' checks$' "$work/stdout" |
    cmp -s - "$work/want.child" || cat "$work/stdout")"

{
    echo "in one line"
    echo "exit: 18446744073709551615"
    echo "and on it goes"
    echo "1 checks"
} >"$work/want"
check "abi: print" 0 $run "$user/abi2018.wasm" print
says "abi: print of what is not its own" stderr "print: the memory is not"

for trap in "outside out of bounds memory access" \
    "released out of bounds memory access" "unaligned unaligned atomic"; do
    check "abi: lock ${trap%% *}" 134 $run "$user/abi2018.wasm" ${trap%% *}
    says "abi: lock ${trap%% *}" stderr "trap: ${trap#* }"
done

check "abi: trace" 0 $run --trace=abi "$work/child.wasm"
says "abi: trace of an error" stderr \
    "abi.channel_recv\(channel=0, .* = NOT_FOUND"
says "abi: trace of nothing" stderr 'abi.print\(text="no channel.n"\) = [?]'
