# make/locks.awk: every lock says what it guards: a variable is named in a
# GUARDED_BY() of its folder (clang checks these) or has a comment, a member in
# a MEMBER_GUARDED_BY() of its structure, or its comment says that it "guards no
# field".  What stands behind a lock in a structure is guarded by one, or has a
# comment, which says why not; in front of it stands what needs none.  A word
# changed by compare and exchange is a count or a state, in the files named here:
# a lock is a row of kernel/locks.def.  A function that REQUIRES() a lock asserts that it is held: builds for
# tests check what clang cannot follow.  Not in port/metal, where memory is set
# up before there is a CPU to hold one.
#
#     awk -f make/locks.awk FILE...

function complain(where, text) {
    print where ": " text
    failed = 1
}

BEGIN {
    split("base/base.h base/count.c kernel/account.c kernel/object.c kernel/pfex.c kernel/share.c " \
        "kernel/internal.h port/linux/memory.c port/metal/cpus.c " \
        "port/metal/shootdown.c runtime/memory.c", list, " ")
    for (i in list)
        exchanges[list[i]] = 1
}

function end_function() {
    if (required != "")
        complain(required, "requires a lock and does not assert it")
    required = ""
}

FNR == 1 {
    folder = FILENAME
    sub(/\/[^\/]*$/, "", folder)
    member = ""
    required = ""
}

# Variables.
/^(static )?struct (lock|mutex) [a-z_]+(\[.*\])?(;| =)/ {
    name = $0
    sub(/(;|\[| =).*/, "", name)
    sub(/.* /, "", name)
    if (!/\/\/ /)
        lock[folder "/" name] = FILENAME ":" FNR
}
match($0, /[^_]GUARDED_BY\([a-z_]+\)/) {
    guards[folder "/" substr($0, RSTART + 12, RLENGTH - 13)] = 1
}

# Members.
/^    struct (lock|mutex) [a-z_]+(\[.*\])?;/ && !/guards no field/ {
    member = $3
    sub(/[;\[].*/, "", member)
    member_at = FILENAME ":" FNR
}
member != "" && index($0, "MEMBER_GUARDED_BY(" member ")") { member = "" }
/^}/ && member != "" {
    complain(member_at, "nobody says what " member " guards")
    member = ""
}

# Members behind a lock.  A comment is for the lines up to a guarded one.
behind && /^ *\/\// { commented = 1 }
/GUARDED_BY/ || /^$/ { commented = 0 }
behind && /^    [a-z].*;/ && !/GUARDED_BY|\/\/ / && !commented {
    complain(FILENAME ":" FNR, "behind a lock: say what guards it, or why nothing")
}
/^(static )?struct [a-z_]*( )?\{$/ { in_struct = 1 }
in_struct && /^    struct (lock|mutex|wait_queue) [a-z_]+(\[.*\])?;/ { behind = 1 }
/^}/ { behind = in_struct = 0 }

/compare_exchange|__sync_|cmpxchg|atomic_cas/ && FILENAME !~ /^(user|bench|x64)\// && !(FILENAME in exchanges) && !/^ *(\/\/|")/ {
    complain(FILENAME ":" FNR, "compare and exchange: a lock is a row of kernel/locks.def")
}

# A word that is taken in a loop is a lock without a row; a loop that compares
# is not, it counts.
/while \(!?__atomic_(exchange_n|test_and_set)|__sync_lock|atomic_flag/ && FILENAME != "kernel/lock.c" && FILENAME !~ /^user\// {
    complain(FILENAME ":" FNR, "takes a word: use a lock of kernel/locks.def")
}

# Functions.
/^}/ { end_function() }
/REQUIRES\([^)]*\)$/ && FILENAME !~ /^port\/metal\// { required = FILENAME ":" FNR }
/assert_held\(/ { required = "" }

END {
    for (name in lock)
        if (!(name in guards))
            complain(lock[name], "nobody says what " name " guards")
    exit failed
}
