(module
  (memory 1)
  (func $sum (param $at i32) (param $count i32) (result i32)
    (local $total i32)
    (block $done
      (br_if $done (i32.eqz (local.get $count)))
      (loop $next
        (local.set $total
          (i32.add (local.get $total) (i32.load offset=8 (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br_if $next
          (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
    (local.get $total)))
