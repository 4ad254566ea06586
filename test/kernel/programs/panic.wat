;; test/kernel/programs/panic.wat: calls what panics, in test/kernel/plants.c, with
;; arguments on the stack and two frames deep.
(module
  (import "test" "panic"
    (func $panic (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (func $deeper (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.add (i32.const 1)
        (call $panic (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
          (i32.const 5) (i32.const 6) (i32.const 7))))
      (else (i32.add (i32.const 1)
        (call $deeper (i32.sub (local.get 0) (i32.const 1)))))))
  (func $begin (export "begin")
    (drop (call $deeper (i32.const 1)))))
