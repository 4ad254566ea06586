;; With pong.wat: tail calls between two instances, with arguments in registers
;; and on the stack by turns.  Each adds what its own memory has: 1 here, 1000
;; there; $many adds its last argument, too.  test/kernel/unwind.c does the same.
(module
  (memory 1)
  (data (i32.const 0) "\01")
  (tag $end (export "end") (param i64))
  (type $few (func (param i64 i64 i64)
    (result i64 i64 i64 i64 i64 i64 i64 i64)))
  (type $many (func (param
      i64 i64 i64 v128 f64 f64 f64 f64 f64 f64 f64 f64 f64 v128 i64 i64 i64 i64
      i32 i64)
    (result i64 i64 i64 i64 i64 i64 i64 i64)))
  (table (export "table") 2 funcref) ;; $many and $few of pong.wat

  ;; Left, sum, how to end: return, throw or trap.
  (func $few (export "few") (type $few)
    (local.set 1 (i64.add (local.get 1) (i64.load (i32.const 0))))
    (if (i64.le_s (local.get 0) (i64.const 0))
      (then
        (if (i64.eq (local.get 2) (i64.const 1))
          (then (throw $end (local.get 1))))
        (if (i64.eq (local.get 2) (i64.const 2)) (then unreachable))
        (return (local.get 1) (i64.const 1) (i64.const 2) (i64.const 3)
          (i64.const 4) (i64.const 5) (i64.const 6) (local.get 1))))
    (return_call_indirect (type $many)
      (i64.sub (local.get 0) (i64.const 1)) (local.get 1) (local.get 2)
      (v128.const i64x2 1 2) (f64.const 1) (f64.const 2) (f64.const 3)
      (f64.const 4) (f64.const 5) (f64.const 6) (f64.const 7) (f64.const 8)
      (f64.const 9) (v128.const i64x2 3 4) (i64.const 5) (i64.const 6)
      (i64.const 7) (i64.const 8) (i32.const 9) (i64.const 10)
      (i32.const 0)))

  (func $many (export "many") (type $many)
    (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
    (local.set 1 (i64.add
      (i64.add (local.get 1) (i64.load (i32.const 0))) (local.get 19)))
    (if (i32.wrap_i64 (i64.and (local.get 0) (i64.const 8)))
      (then (return_call_indirect (type $few)
        (local.get 0) (local.get 1) (local.get 2) (i32.const 1))))
    (return_call_indirect (type $many)
      (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
      (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9)
      (local.get 10) (local.get 11) (local.get 12) (local.get 13)
      (local.get 14) (local.get 15) (local.get 16) (local.get 17)
      (local.get 18) (i64.const 30) (i32.const 0))))
