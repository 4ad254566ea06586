;; Imports that nobody offers, with names that would make lines of their own.
(module
  (import "env\n" "\1b[2J\00end" (func))
  (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
  (import "env" "zwei" (global i32))
  (import "env" "memory" (memory 1))
  (func (export "_start")))
