;; Calls a C function of the test, in a process: see test/kernel_calls.h.
(module
  (import "test" "run" (func $run))
  (memory 4)
  (func (export "_start") (call $run)))
