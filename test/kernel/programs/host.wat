;; Calls a C function of the test, in a process and in its threads: see
;; test/kernel/calls.h.
(module
  (import "test" "run" (func $run))
  (memory 4)
  (table funcref (elem $thread))
  (func $thread (param i32) (call $run))
  (func (export "_start") (call $run)))
