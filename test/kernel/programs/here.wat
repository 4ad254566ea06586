;; With there.wat: two instances that call each other with arguments and results
;; in registers and on the stack, as deep as the last argument says.
(module
  (tag $deep (export "deep") (param i64))
  (type $wide (func (param
      v128 v128 v128 i64 f64 i64 f64 i64 f64 i64
      f64 i64 f64 i64 f64 i64 f64 i64 f64 i64
      f64 i64 f64 i64 f64 i64 f64 i64 f64 i64
      f64 i64 f64 i64 f64 i64 f64 i32 f32 i64)
    (result i64 f64 i64 i64 i64 i64 i64 i64 v128 f32)))
  (table (export "table") 2 funcref)
  (elem (i32.const 0) $here)
  (func $here (export "here") (type $wide) (local i64)
    (if (i64.eqz (local.get 39))
      (then (throw $deep (i64.const 7))))
    (call_indirect (type $wide)
      (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
      (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9)
      (local.get 10) (local.get 11) (local.get 12) (local.get 13) (local.get 14)
      (local.get 15) (local.get 16) (local.get 17) (local.get 18) (local.get 19)
      (local.get 20) (local.get 21) (local.get 22) (local.get 23) (local.get 24)
      (local.get 25) (local.get 26) (local.get 27) (local.get 28) (local.get 29)
      (local.get 30) (local.get 31) (local.get 32) (local.get 33) (local.get 34)
      (local.get 35) (local.get 36) (local.get 37) (local.get 38)
      (i64.sub (local.get 39) (i64.const 1))
      (i32.const 1))))
