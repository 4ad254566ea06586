(module
  (import "env" "memory" (memory 1 4 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
  ;; 0: threads that have finished; 4: sum of args; 8: ids
  (func (export "wasi_thread_start") (param $id i32) (param $arg i32) (local $i i32)
    (loop $again
      (drop (i32.atomic.rmw.add (i32.const 4) (local.get $arg)))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
    (drop (i32.atomic.rmw.add (i32.const 8) (local.get $id)))
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))
  (func (export "_start") (local $i i32) (local $ids i32) (local $done i32)
    (loop $again
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (local.set $ids (i32.add (local.get $ids) (call $spawn (local.get $i))))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 10))))
    (loop $wait
      (local.set $done (i32.atomic.load (i32.const 0)))
      (if (i32.ne (local.get $done) (i32.const 10))
        (then
          (drop (memory.atomic.wait32 (i32.const 0) (local.get $done) (i64.const -1)))
          (br $wait))))
    (if (i32.ne (i32.atomic.load (i32.const 4)) (i32.const 55000)) (then unreachable))
    (if (i32.ne (i32.atomic.load (i32.const 8)) (local.get $ids)) (then unreachable))
    (drop (call $exit (i32.const 42)))))
