;; Makes 40,000 threads that end at once and keeps a handle to each, which is a
;; block of the kernel's heap; all are freed when the program ends.
(module
  (import "nebulet" "thread_spawn"
    (func $spawn (param i32 i32 i32 i32) (result i32)))
  (import "nebulet" "thread_join" (func $join (param i32) (result i32)))
  (memory (export "memory") 1)
  (table 1 funcref)
  (elem (i32.const 0) $nothing)
  (func $nothing (param i32))
  (func (export "_start")
    (local $left i32)
    (local.set $left (i32.const 40000))
    (loop $next
      (if (call $spawn (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))
        (then (unreachable)))
      (if (call $join (i32.load (i32.const 8))) (then (unreachable)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $next (local.get $left)))))
