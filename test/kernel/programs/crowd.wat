;; As many threads as there can be, each waiting on a word of its own; then the
;; first one waits.
(module
  (import "nebulet" "thread_spawn"
    (func $spawn (param i32 i32 i32 i32) (result i32)))
  (memory 1 1 shared)
  (table funcref (elem $sleep))
  (func $sleep (param $word i32)
    (drop (memory.atomic.wait32 (local.get $word) (i32.const 0)
      (i64.const -1))))
  (func (export "_start") (local $word i32)
    (loop $again
      (br_if $again (i32.eqz
        (call $spawn (i32.const 0)
          (local.tee $word (i32.add (local.get $word) (i32.const 4)))
          (i32.const 0) (i32.const 32768)))))
    (call $sleep (i32.const 0))))
