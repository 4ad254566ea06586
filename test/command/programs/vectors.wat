;; fd_write and fd_read with vectors whose sum is more than a count can say, and
;; with one that runs past the memory: 0 when all is refused.  Then 3,000
;; vectors of one byte each.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read"
    (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 64) ;; 4 MiB
  (data (i32.const 16) "x")
  (func $fill (param $count i32) (param $ptr i32) (param $size i32)
    (local $i i32)
    (loop $next
      (i32.store (i32.add (i32.const 1024) (i32.mul (local.get $i) (i32.const 8)))
        (local.get $ptr))
      (i32.store (i32.add (i32.const 1028) (i32.mul (local.get $i) (i32.const 8)))
        (local.get $size))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $count)))))
  (func $expect (param $got i32) (param $want i32) (param $status i32)
    (if (i32.ne (local.get $got) (local.get $want))
      (then (call $exit (local.get $status)))))
  (func (export "_start")
    ;; 2,048 times 2 MiB: 2^32
    (call $fill (i32.const 2048) (i32.const 0) (i32.const 0x200000))
    (call $expect (call $write (i32.const 1) (i32.const 1024) (i32.const 2048)
      (i32.const 0)) (i32.const 28) (i32.const 1))
    (call $expect (call $read (i32.const 0) (i32.const 1024) (i32.const 2048)
      (i32.const 0)) (i32.const 28) (i32.const 2))
    ;; the last of 3,000
    (call $fill (i32.const 3000) (i32.const 16) (i32.const 1))
    (i32.store (i32.const 25020) (i32.const 0x7fffffff))
    (i32.store (i32.const 25016) (i32.const 16))
    (call $expect (call $write (i32.const 1) (i32.const 1024) (i32.const 3000)
      (i32.const 0)) (i32.const 21) (i32.const 3))
    (call $expect (call $read (i32.const 0) (i32.const 1024) (i32.const 3000)
      (i32.const 0)) (i32.const 21) (i32.const 4))
    (i32.store (i32.const 25020) (i32.const 1))
    (call $expect (call $write (i32.const 1) (i32.const 1024) (i32.const 3000)
      (i32.const 0)) (i32.const 0) (i32.const 5))
    (call $expect (i32.load (i32.const 0)) (i32.const 3000) (i32.const 6))))
