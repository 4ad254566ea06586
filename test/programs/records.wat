;; Three threads write records of 16 bytes to one descriptor; then all bytes are
;; read back and counted.  Exits with 0, or says what is wrong: 1 an error, 2 the
;; size, 3 a record of mixed bytes, 4 a lost record.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read"
    (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek"
    (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (memory (export "memory") 64 64 shared)
  (data (i32.const 0) "records")
  ;; 16 the descriptor, 20 threads that have ended, 32 + 64 n the block of
  ;; thread n: iovec, count of bytes written, 32 + the record; 65536 the file
  (func $check (param i32 i32)
    (if (local.get 0) (then (call $exit (local.get 1)))))
  (func (export "wasi_thread_start") (param $id i32) (param $n i32)
    (local $block i32) (local $k i32)
    (local.set $block (i32.add (i32.const 32)
      (i32.mul (local.get $n) (i32.const 64))))
    (i32.store (local.get $block)
      (i32.add (local.get $block) (i32.const 16)))
    (i32.store offset=4 (local.get $block) (i32.const 16))
    (memory.fill (i32.add (local.get $block) (i32.const 16))
      (i32.add (local.get $n) (i32.const 65)) (i32.const 16))
    (loop $again
      (call $check (call $write (i32.load (i32.const 16)) (local.get $block)
        (i32.const 1) (i32.add (local.get $block) (i32.const 8)))
        (i32.const 1))
      (br_if $again (i32.lt_u
        (local.tee $k (i32.add (local.get $k) (i32.const 1)))
        (i32.const 10000))))
    (drop (i32.atomic.rmw.add (i32.const 20) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 20) (i32.const 1))))
  (func (export "_start") (local $n i32) (local $at i32) (local $end i32)
    (local $counts i32)
    (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 0)
      (i32.const 7) (i32.const 9) (i64.const 102) (i64.const 0) (i32.const 0)
      (i32.const 16)) (i32.const 1))
    (loop $start
      (call $check (i32.lt_s (call $spawn (local.get $n)) (i32.const 0))
        (i32.const 1))
      (br_if $start (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (i32.const 3))))
    (loop $wait
      (local.set $n (i32.atomic.load (i32.const 20)))
      (drop (memory.atomic.wait32 (i32.const 20) (local.get $n)
        (i64.const 100000000)))
      (br_if $wait (i32.lt_u (i32.atomic.load (i32.const 20))
        (i32.const 3))))
    (call $check (call $seek (i32.load (i32.const 16)) (i64.const 0)
      (i32.const 0) (i32.const 1024)) (i32.const 1))
    (i32.store (i32.const 1024) (i32.const 65536))
    (i32.store (i32.const 1028) (i32.const 1000000))
    (call $check (call $read (i32.load (i32.const 16)) (i32.const 1024)
      (i32.const 1) (i32.const 1032)) (i32.const 1))
    (call $check (i32.ne (i32.load (i32.const 1032)) (i32.const 480000))
      (i32.const 2))
    (local.set $at (i32.const 65536))
    (local.set $end (i32.const 545536))
    (loop $records
      (local.set $n (i32.load8_u (local.get $at)))
      (call $check (i64.ne (i64.load (local.get $at))
        (i64.load offset=8 (local.get $at))) (i32.const 3))
      (call $check (i64.ne (i64.load (local.get $at))
        (i64.mul (i64.extend_i32_u (local.get $n))
          (i64.const 0x0101010101010101))) (i32.const 3))
      (i32.store (i32.add (i32.const 1040) (i32.shl (local.get $n)
        (i32.const 2))) (i32.add (i32.const 1) (i32.load
          (i32.add (i32.const 1040) (i32.shl (local.get $n)
            (i32.const 2))))))
      (br_if $records (i32.lt_u
        (local.tee $at (i32.add (local.get $at) (i32.const 16)))
        (local.get $end))))
    (local.set $n (i32.const 65))
    (loop $threads
      (call $check (i32.ne (i32.load (i32.add (i32.const 1040)
        (i32.shl (local.get $n) (i32.const 2)))) (i32.const 10000))
        (i32.const 4))
      (br_if $threads (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (i32.const 68))))))
