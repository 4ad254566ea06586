;; Makes threads as long as it may, each of which runs for ever, and so does the
;; first one.
(module
  (import "nebulet" "thread_spawn"
    (func $spawn (param i32 i32 i32 i32) (result i32)))
  (memory 1 1 shared)
  (table funcref (elem $run))
  (func $run (param i32) (loop $again (br $again)))
  (func (export "_start")
    (loop $again
      (br_if $again (i32.eqz (call $spawn (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 8)))))
    (call $run (i32.const 0))))
