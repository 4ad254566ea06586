;; test/latency/files.wat: large files: sizes, holes, blocks, many small writes.
;; Exits with 0, or with the number of the step that went wrong.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file"
    (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close"
    (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_allocate"
    (func $allocate (param i32 i64 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size"
    (func $set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite"
    (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pread"
    (func $pread (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 600)
  (data (i32.const 0) "file")
  (global $step (mut i32) (i32.const 0))
  (global $fd (mut i32) (i32.const 0))
  (func $check (param i32)
    (global.set $step (i32.add (global.get $step) (i32.const 1)))
    (if (local.get 0) (then (call $exit (global.get $step)))))
  ;; The vector at 16, the count at 24.
  (func $vector (param $at i32) (param $size i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $size)))
  (func $expect (param i32)
    (call $check (i32.ne (i32.load (i32.const 24)) (local.get 0))))
  (func (export "_start") (local $k i32)
    (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 0)
      (i32.const 4) (i32.const 9) (i64.const 0x1fffffff) (i64.const 0)
      (i32.const 0) (i32.const 24)))
    (global.set $fd (i32.load (i32.const 24)))
    ;; a hole of 1 GiB, and its end
    (call $check (call $set_size (global.get $fd) (i64.const 1073741824)))
    (call $vector (i32.const 65536) (i32.const 1))
    (call $check (call $pwrite (global.get $fd) (i32.const 16) (i32.const 1)
      (i64.const 4398046511104) (i32.const 24)))
    (call $check (call $set_size (global.get $fd) (i64.const 1)))
    ;; memory for 150 MiB, and less
    (call $check (call $allocate (global.get $fd) (i64.const 0)
      (i64.const 157286400)))
    (call $check (call $set_size (global.get $fd) (i64.const 1000)))
    ;; much in one piece, there and back, twice
    (call $vector (i32.const 65536) (i32.const 37748736))
    (call $check (call $write (global.get $fd) (i32.const 16) (i32.const 1)
      (i32.const 24)))
    (call $expect (i32.const 37748736))
    (call $check (call $pwrite (global.get $fd) (i32.const 16) (i32.const 1)
      (i64.const 100000000) (i32.const 24)))
    (call $check (call $pread (global.get $fd) (i32.const 16) (i32.const 1)
      (i64.const 20000000) (i32.const 24)))
    (call $expect (i32.const 37748736))
    ;; more than there is: what went through is told
    (call $check (i32.ne (call $allocate (global.get $fd) (i64.const 0)
      (i64.const 1000000000)) (i32.const 51)))
    ;; many small ones
    (call $check (call $set_size (global.get $fd) (i64.const 0)))
    (call $vector (i32.const 65536) (i32.const 16))
    (loop $again
      (if (call $write (global.get $fd) (i32.const 16) (i32.const 1)
          (i32.const 24))
        (then (call $exit (i32.const 99))))
      (br_if $again (i32.lt_u
        (local.tee $k (i32.add (local.get $k) (i32.const 1)))
        (i32.const 200000))))
    (call $check (call $unlink (i32.const 3) (i32.const 0) (i32.const 4)))
    (call $check (call $close (global.get $fd)))))
