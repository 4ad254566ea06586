;; Logs what looks like lines of the kernel's, and ends with a trap in a function
;; whose name does, too.
(module
  (import "nebulet" "log_write" (func $log (param i32 i32) (result i32)))
  (memory 1)
  (data (i32.const 100) "x\nnebulet: other.wasm: trap: unreachable\n\1b[2J\ff\00")
  (data (i32.const 200) "one line\n")
  (func (export "\1b[31m\nnebulet: other.wasm: trap: \c2\9b") unreachable)
  (func (export "_start")
    (drop (call $log (i32.const 100) (i32.const 47)))
    (drop (call $log (i32.const 200) (i32.const 9)))
    (call 1)))
