;; See ping.wat.
(module
  (import "ping" "end" (tag $end (param i64)))
  (import "ping" "table" (table 2 funcref))
  (type $few (func (param i64 i64 i64)
    (result i64 i64 i64 i64 i64 i64 i64 i64)))
  (type $many (func (param
      i64 i64 i64 v128 f64 f64 f64 f64 f64 f64 f64 f64 f64 v128 i64 i64 i64 i64
      i32 i64)
    (result i64 i64 i64 i64 i64 i64 i64 i64)))
  (import "ping" "few" (func $ping_few (type $few)))
  (import "ping" "many" (func $ping_many (type $many)))
  (elem (i32.const 0) $many $few)
  (memory 1)
  (data (i32.const 0) "\e8\03")

  (func $few (type $few)
    (if (i64.le_s (local.get 0) (i64.const 0))
      (then (return_call $ping_few
        (local.get 0) (local.get 1) (local.get 2))))
    (return_call $ping_many
      (i64.sub (local.get 0) (i64.const 1))
      (i64.add (local.get 1) (i64.load (i32.const 0)))
      (local.get 2)
      (v128.const i64x2 1 2) (f64.const 1) (f64.const 2) (f64.const 3)
      (f64.const 4) (f64.const 5) (f64.const 6) (f64.const 7) (f64.const 8)
      (f64.const 9) (v128.const i64x2 3 4) (i64.const 5) (i64.const 6)
      (i64.const 7) (i64.const 8) (i32.const 9) (i64.const 20)))

  (func $many (type $many)
    (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
    (local.set 1 (i64.add
      (i64.add (local.get 1) (i64.load (i32.const 0))) (local.get 19)))
    (if (i32.wrap_i64 (i64.and (local.get 0) (i64.const 4)))
      (then (return_call $few
        (local.get 0) (local.get 1) (local.get 2))))
    (return_call $ping_few (local.get 0) (local.get 1) (local.get 2)))

  ;; Of the results, half are on the stack.
  (func $sum (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
    (if (i64.ne (local.get 7) (local.get 0)) (then unreachable))
    (i64.add (local.get 0) (i64.add (local.get 5) (local.get 6))))
  (func $start (export "start") (param i64 i64) (result i64)
    (call $sum
      (call $ping_few (local.get 0) (i64.const 0) (local.get 1))))
  ;; From a function of this instance on.
  (func (export "home") (param i64 i64) (result i64)
    (call $sum (call $few (local.get 0) (i64.const 0) (local.get 1))))
  (func (export "catch") (param i64 i64) (result i64)
    (try (result i64)
      (do (call $start (local.get 0) (local.get 1)))
      (catch $end))))
