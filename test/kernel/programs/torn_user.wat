;; A thread of this module exchanges the entry that torn_library.wat calls for
;; one of another type.  $wrong has a type that nobody calls: it can only be
;; entered when the check and the call saw different entries.
(module
  (import "nebulet" "thread_spawn" (func $spawn (param i32 i32 i32 i32) (result i32)))
  (import "nebulet" "thread_yield" (func $yield (result i32)))
  (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
  (import "library" "table" (table 4 funcref))
  (memory 1)
  (type $called (func (param i64) (result i32)))
  (type $other (func (param i32) (result i32)))
  (elem (i32.const 0) func $right $flip $wrong $begin)
  (func $right (type $called) (i32.const 1))
  (func $wrong (type $other) (call $exit (i32.const 66)))
  (func $flip (param i32) (local $i i32)
    (loop $again
      (local.set $i (i32.const 20000))
      (loop $wait
        (br_if $wait (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (drop (call $yield))
      (table.set 0 (i32.const 0) (ref.func $wrong))
      (drop (call $yield))
      (table.set 0 (i32.const 0) (ref.func $right))
      (br $again)))
  (func $begin
    (drop (call $spawn (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 16)))))
