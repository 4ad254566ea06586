;; Takes all the memory that it is given, writes to every page of it, and keeps
;; it for a while.  It would die of a touch if it was given more than there is.
(module
  (import "nebulet" "thread_sleep" (func $sleep (param i64) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (local $page i32) (local $at i32) (local $end i32)
    (loop $more
      (local.set $page (memory.grow (i32.const 16)))
      (if (i32.ne (local.get $page) (i32.const -1))
        (then
          (local.set $at (i32.shl (local.get $page) (i32.const 16)))
          (local.set $end (i32.add (local.get $at) (i32.const 0x100000)))
          (loop $touch
            (i32.store8 (local.get $at) (i32.const 1))
            (local.set $at (i32.add (local.get $at) (i32.const 4096)))
            (br_if $touch (i32.ne (local.get $at) (local.get $end))))
          (br_if $more (i32.lt_u (local.get $page) (i32.const 65000))))))
    (drop (call $sleep (i64.const 3000000000)))))
