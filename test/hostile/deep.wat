;; Stack overflow in a thread, through the table, while others do the same.
(module
  (import "nebulet" "thread_spawn" (func $spawn (param i32 i32 i32 i32) (result i32)))
  (import "nebulet" "thread_sleep" (func $sleep (param i64) (result i32)))
  (memory 1)
  (type $v (func (param i32)))
  (table funcref (elem $down))
  (func $down (type $v) (local i64 i64 i64)
    (call_indirect (type $v) (i32.add (local.get 0) (i32.const 1)) (i32.const 0))
    (i64.store (i32.const 0) (i64.add (local.get 1) (local.get 2))))
  (func (export "_start") (local $n i32)
    (loop $again
      (drop (call $spawn (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 70))))
    (drop (call $sleep (i64.const -1)))))
