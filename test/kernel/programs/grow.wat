;; Grows as far as it may, writes everywhere, and exits with how often it grew.
(module
  (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
  (memory 1)
  (func (export "_start") (local $times i32) (local $at i32)
    (loop $again
      (if (i32.ne (memory.grow (i32.const 16)) (i32.const -1))
        (then
          (local.set $times (i32.add (local.get $times) (i32.const 1)))
          (br $again))))
    (loop $write
      (i32.store (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $write (i32.lt_u (local.get $at)
        (i32.mul (memory.size) (i32.const 65536)))))
    (drop (call $exit (local.get $times)))))
