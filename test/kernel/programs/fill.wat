(module (memory 64 64)
  (func $fill (local $at i32)
    (loop $again
      (i32.store8 (local.get $at) (i32.const 1))
      (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const 4194304)))))
  (func (export "_start") (call $fill)))
