;; Start threads that wait for good until that fails, then join one with a bad
;; handle and leave.
(module
  (import "nebulet" "thread_spawn" (func $spawn (param i32 i32 i32 i32) (result i32)))
  (import "nebulet" "thread_sleep" (func $sleep (param i64) (result i32)))
  (import "nebulet" "thread_join" (func $join (param i32) (result i32)))
  (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
  (memory 1)
  (table funcref (elem $wait))
  (func $wait (param i32) (drop (call $sleep (i64.const -1))))
  (func (export "_start") (local $n i32)
    (loop $again
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.eqz (call $spawn (i32.const 0) (local.get $n) (i32.const 0) (i32.const 64)))))
    (if (i32.lt_u (local.get $n) (i32.const 100)) (then unreachable))
    (if (i32.gt_u (local.get $n) (i32.const 5000)) (then unreachable))
    (if (i32.eqz (call $join (local.get $n))) (then unreachable))
    (drop (call $exit (i32.const 0)))))
