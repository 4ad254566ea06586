;; Asks for 32 MiB, lets others run, then writes to all of it: either -1 comes
;; back at once or the memory is there for good.
(module
  (import "nebulet" "thread_sleep" (func $sleep (param i64) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (local $at i32) (local $end i32)
    (local.set $at (memory.grow (i32.const 512)))
    (if (i32.eq (local.get $at) (i32.const -1)) (then (return)))
    (drop (call $sleep (i64.const 1500000000)))
    (local.set $at (i32.shl (local.get $at) (i32.const 16)))
    (local.set $end (i32.add (local.get $at) (i32.const 0x2000000)))
    (loop $touch
      (i32.store8 (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $touch (i32.lt_u (local.get $at) (local.get $end))))))
