;; Wants 200 MiB and writes to all of them.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (local $at i32)
    (if (i32.eq (memory.grow (i32.const 3200)) (i32.const -1))
      (then (unreachable)))
    (loop $touch
      (i32.store8 (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $touch (i32.lt_u (local.get $at) (i32.const 0xc800000))))))
