;; See here.wat.
(module
  (import "here" "deep" (tag $deep (param i64)))
  (import "here" "table" (table 2 funcref))
  (type $wide (func (param
      v128 v128 v128 i64 f64 i64 f64 i64 f64 i64
      f64 i64 f64 i64 f64 i64 f64 i64 f64 i64
      f64 i64 f64 i64 f64 i64 f64 i64 f64 i64
      f64 i64 f64 i64 f64 i64 f64 i32 f32 i64)
    (result i64 f64 i64 i64 i64 i64 i64 i64 v128 f32)))
  (import "here" "here" (func $here (type $wide)))
  (elem (i32.const 1) $there)
  (global $sum (mut i64) (i64.const 0))

  ;; All arguments have arrived; at the end, an exception or results.
  (func $there (type $wide)
    (if (i64.lt_s (local.get 39) (i64.const 0))
      (then (return (i64.const 1) (f64.const 2) (i64.const 3) (i64.const 4)
        (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8)
        (v128.const i64x2 9 10) (f32.const 11))))
    (global.set $sum (i64.add (global.get $sum) (i64.add
      (i64x2.extract_lane 1 (local.get 2)) (i64.trunc_f64_s (local.get 36)))))
    (call $here
      (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
      (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9)
      (local.get 10) (local.get 11) (local.get 12) (local.get 13) (local.get 14)
      (local.get 15) (local.get 16) (local.get 17) (local.get 18) (local.get 19)
      (local.get 20) (local.get 21) (local.get 22) (local.get 23) (local.get 24)
      (local.get 25) (local.get 26) (local.get 27) (local.get 28) (local.get 29)
      (local.get 30) (local.get 31) (local.get 32) (local.get 33) (local.get 34)
      (local.get 35) (local.get 36) (local.get 37) (local.get 38)
      (i64.sub (local.get 39) (i64.const 1))))

  (func $start (param $depth i64) (result i64) (local $v v128)
    (call $there
          (v128.const i64x2 0 1) (v128.const i64x2 1 2) (v128.const i64x2 2 3)
          (i64.const 3) (f64.const 4) (i64.const 5)
          (f64.const 6) (i64.const 7) (f64.const 8)
          (i64.const 9) (f64.const 10) (i64.const 11)
          (f64.const 12) (i64.const 13) (f64.const 14)
          (i64.const 15) (f64.const 16) (i64.const 17)
          (f64.const 18) (i64.const 19) (f64.const 20)
          (i64.const 21) (f64.const 22) (i64.const 23)
          (f64.const 24) (i64.const 25) (f64.const 26)
          (i64.const 27) (f64.const 28) (i64.const 29)
          (f64.const 30) (i64.const 31) (f64.const 32)
          (i64.const 33) (f64.const 34) (i64.const 35)
          (f64.const 36) (i32.const 37) (f32.const 38)
          (local.get $depth))
    (drop) (local.set $v)
    (i64.add) (i64.add) (i64.add) (i64.add) (i64.add)
    (local.set $depth)
    (i64.trunc_f64_s) (i64.add)
    (i64.add (local.get $depth))
    (i64.add (i64x2.extract_lane 1 (local.get $v))))

  ;; The exception's value, and what the calls have summed up.
  (func (export "catch") (param $depth i64) (result i64 i64)
    (global.set $sum (i64.const 0))
    (try (result i64)
      (do (call $start (local.get $depth)))
      (catch $deep))
    (global.get $sum))
  (func (export "start") (param i64) (result i64) (call $start (local.get 0))))
