;; bench/gc/arrays.wat: small arrays of numbers, made, filled and forgotten.
(module
  (type $numbers (array (mut i32)))
  (func $one (param $n i32) (result i32)
    (local $a (ref $numbers)) (local $k i32) (local $sum i32)
    (local.set $a (array.new_default $numbers (local.get $n)))
    (loop $fill
      (array.set $numbers (local.get $a) (local.get $k) (i32.mul (local.get $k) (local.get $n)))
      (br_if $fill (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (local.get $n))))
    (local.set $k (i32.const 0))
    (loop $add
      (local.set $sum (i32.add (local.get $sum) (array.get $numbers (local.get $a) (local.get $k))))
      (br_if $add (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (array.len (local.get $a)))))
    (local.get $sum))
  (func (export "run") (param $times i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum)
        (call $one (i32.add (i32.const 4) (i32.and (local.get $times) (i32.const 31))))))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $sum)))
