;; Two threads touch the page that one of them has just grown the memory by,
;; for the first time: what memory.grow promised is there for both.
(module
  (import "nebulet" "thread_spawn"
    (func $spawn (param i32 i32 i32 i32) (result i32)))
  (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
  (memory (export "memory") 1)
  (table funcref (elem $toucher))
  (func $last (result i32)
    (i32.sub (i32.mul (memory.size) (i32.const 0x10000)) (i32.const 1)))
  (func $toucher (param i32)
    (loop $again
      (i32.store8 (call $last) (i32.const 1))
      (br $again)))
  (func (export "_start") (local $i i32)
    (drop (call $spawn (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 16)))
    (loop $again
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1))
        (then (drop (call $exit (i32.const 3)))))
      (memory.fill
        (i32.sub (call $last) (i32.const 0xffff))
        (i32.const 7) (i32.const 0x10000))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 8000))))
    (drop (call $exit (i32.const 42)))))
