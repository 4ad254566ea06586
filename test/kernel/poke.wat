;; What the tests of hardened mode write other code over: a function with room.
(module
  (memory 1)
  (func (export "poke") (param i64 i64) (result i64)
    (i64.store offset=8 (i32.const 0) (local.get 0))
    (i64.store offset=16 (i32.const 0) (local.get 1))
    (i64.store offset=24 (i32.const 0) (i64.mul (local.get 0) (local.get 1)))
    (i64.store offset=32 (i32.const 0) (i64.add (local.get 0) (local.get 1)))
    (i64.store offset=40 (i32.const 0) (i64.sub (local.get 0) (local.get 1)))
    (i64.store offset=48 (i32.const 0) (i64.xor (local.get 0) (local.get 1)))
    (i64.store offset=56 (i32.const 0) (i64.and (local.get 0) (local.get 1)))
    (i64.store offset=64 (i32.const 0) (i64.or (local.get 0) (local.get 1)))
    (drop (memory.grow (i32.const 0)))
    (i64.load offset=8 (i32.const 0))))
