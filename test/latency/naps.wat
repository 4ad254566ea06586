;; test/latency/naps.wat: who sleeps a nanosecond, over and over, leaves the CPU
;; to others: a count takes less than twice as long beside such a thread.

(module
  (import "nebulet" "thread_spawn"
    (func $spawn (param i32 i32 i32 i32) (result i32)))
  (import "nebulet" "thread_sleep" (func $sleep (param i64) (result i32)))
  (import "nebulet" "clock_get" (func $clock (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (table funcref (elem $nap))

  (func $now (result i64)
    (drop (call $clock (i32.const 0) (i32.const 64)))
    (i64.load (i32.const 64)))

  (func $nap (param i32)
    (loop $l
      (drop (call $sleep (i64.const 1)))
      (br $l)))

  ;; How long it takes.
  (func $count (result i64) (local $n i32) (local $since i64)
    (local.set $since (call $now))
    (loop $l
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (i32.const 300000))))
    (i64.sub (call $now) (local.get $since)))

  (func (export "_start") (local $alone i64)
    (local.set $alone (call $count))
    (if (call $spawn (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))
      (then unreachable))
    (drop (call $sleep (i64.const 1000000))) ;; it has begun
    (if (i64.ge_u (call $count) (i64.mul (local.get $alone) (i64.const 2)))
      (then unreachable))))
