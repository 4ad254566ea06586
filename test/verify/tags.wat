;; tags.wat: exceptions with none, one and more values, caught and thrown again.
(module
  (type $one (func (param i32) (result i32)))
  (tag $empty)
  (tag $number (param i32))
  (tag $many (param i64 f32 i32 f64))
  (func $throw (param $what i32)
    (if (i32.eqz (local.get $what)) (then (throw $empty)))
    (if (i32.eq (local.get $what) (i32.const 1))
      (then (throw $number (local.get $what))))
    (throw $many (i64.const 1) (f32.const 2) (local.get $what) (f64.const 4)))
  (func (export "catch") (param $what i32) (result i32)
    (try $outer (result i32)
      (do
        (try (result i32)
          (do
            (try (do (call $throw (local.get $what))) (delegate 0))
            (i32.const 0))
          (catch $number)
          (catch $empty (rethrow 0))))
      (catch $many (drop) (drop) (drop) (drop) (i32.const 2))
      (catch_all (i32.const 3)))))
