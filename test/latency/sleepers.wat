;; test/latency/sleepers.wat: as many threads as there is memory for, at least
;; 3,000, all of which sleep until the same moment.

(module
  (import "nebulet" "thread_spawn"
    (func $spawn (param i32 i32 i32 i32) (result i32)))
  (import "nebulet" "thread_sleep" (func $sleep (param i64) (result i32)))
  (import "nebulet" "clock_get" (func $clock (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (table funcref (elem $sleeper))

  (func $now (result i64)
    (drop (call $clock (i32.const 0) (i32.const 64)))
    (i64.load (i32.const 64)))

  ;; 128: the moment
  (func $sleeper (param i32)
    (drop (call $sleep (i64.sub (i64.load (i32.const 128)) (call $now)))))

  (func (export "_start") (local $count i32)
    (i64.store (i32.const 128) (i64.add (call $now) (i64.const 1000000000)))
    (loop $more
      (if (i32.eqz (call $spawn (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 8)))
        (then
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (br $more))))
    (if (i32.lt_u (local.get $count) (i32.const 3000)) (then unreachable))
    (if (i64.ge_u (call $now) (i64.load (i32.const 128))) (then unreachable))
    (loop $wait
      (br_if $wait (i64.lt_u (call $now)
        (i64.add (i64.load (i32.const 128)) (i64.const 100000000)))))))
