;; A trap below tail calls that change the size of the stack arguments: the
;; backtrace has every frame that is left, in order.
(module
  (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)))
  (table funcref (elem $shrink))
  (func $trap unreachable)
  (func $leaf (call $trap) (nop))
  (func $shrink (type $wide) (return_call $leaf))
  (func $outer
    (call_indirect (type $wide)
      (i64.const 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
      (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11)
      (i32.const 0))
    (nop))
  (func $wide_trap (type $wide) (call $outer) (nop))
  (func $grow
    (return_call $wide_trap
      (i64.const 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
      (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11)))
  (func $between (param i32 i32 i32 i32 i32 i32 i32 i32) (call $grow) (nop))
  (func (export "_start")
    (call $between (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))
