(module
  ;; Four threads compute with many live floats and vectors; preemption at any
  ;; instruction must not change a bit.
  (import "nebulet" "thread_spawn" (func $spawn (param i32 i32 i32 i32) (result i32)))
  (import "nebulet" "thread_join" (func $join (param i32) (result i32)))
  (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
  (memory 1)
  (table funcref (elem $work))
  (func $compute (param $seed f64) (result f64) (local $i i32)
    (local $a f64) (local $b f64) (local $c f64) (local $d f64) (local $e f64) (local $v v128)
    (local.set $a (local.get $seed)) (local.set $b (f64.const 1.5)) (local.set $c (f64.const 0.25))
    (local.set $d (f64.const 3)) (local.set $e (f64.const 0.125))
    (local.set $v (f64x2.splat (local.get $seed)))
    (loop $again
      (local.set $a (f64.add (f64.mul (local.get $a) (f64.const 0.99)) (local.get $e)))
      (local.set $b (f64.sub (f64.sqrt (f64.abs (local.get $b))) (local.get $a)))
      (local.set $c (f64.add (local.get $c) (f64.div (local.get $d) (f64.const 7))))
      (local.set $d (f64.mul (local.get $d) (f64.const 0.5)))
      (local.set $e (f64.add (local.get $d) (f64.mul (local.get $b) (f64.const 0.001))))
      (local.set $v (f64x2.add (f64x2.mul (local.get $v) (f64x2.splat (f64.const 0.5)))
        (f64x2.splat (local.get $a))))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 400000))))
    (f64.add (f64.add (local.get $a) (local.get $b)) (f64.add (f64.add (local.get $c) (local.get $d))
      (f64.add (local.get $e) (f64x2.extract_lane 1 (local.get $v))))))
  (func $work (param $at i32)
    (f64.store (local.get $at) (call $compute (f64.convert_i32_u (local.get $at)))))
  (func (export "_start") (local $i i32)
    (loop $again
      (drop (call $spawn (i32.const 0) (i32.add (i32.const 64) (i32.mul (local.get $i) (i32.const 8)))
        (i32.const 0) (i32.mul (local.get $i) (i32.const 4))))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
    (loop $again
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (drop (call $join (i32.load (i32.mul (local.get $i) (i32.const 4)))))
      (br_if $again (local.get $i)))
    (loop $again
      (if (i64.ne
            (i64.load (i32.add (i32.const 64) (i32.mul (local.get $i) (i32.const 8))))
            (i64.reinterpret_f64 (call $compute (f64.convert_i32_u
              (i32.add (i32.const 64) (i32.mul (local.get $i) (i32.const 8)))))))
        (then unreachable))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
    (drop (call $exit (i32.const 42)))))
