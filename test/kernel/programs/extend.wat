;; The C function returns an i32 with an upper half that is not zero.  However it
;; is called, an i32 in a register is zero-extended: `f` is the sum of the upper
;; halves, 0.
(module
  (type $t (func (result i32)))
  (import "a" "garbage" (func $garbage (result i32)))
  (import "a" "garbage7" (func $garbage7 (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) $garbage)
  (func $tail (result i32) (return_call $garbage))
  (func $tail_indirect (result i32) (return_call_indirect (type $t) (i32.const 0)))
  (func $tail7 (result i32)
    (return_call $garbage7 (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
  (func (export "f") (result i32)
    (i64.shr_u (i64.extend_i32_u (call $garbage)) (i64.const 32))
    (i64.shr_u (i64.extend_i32_u (call_indirect (type $t) (i32.const 0))) (i64.const 32))
    (i64.shr_u (i64.extend_i32_u (call $tail)) (i64.const 32))
    (i64.shr_u (i64.extend_i32_u (call $tail_indirect)) (i64.const 32))
    (i64.shr_u (i64.extend_i32_u (call $tail7)) (i64.const 32))
    (i64.or) (i64.or) (i64.or) (i64.or) (i32.wrap_i64)))
