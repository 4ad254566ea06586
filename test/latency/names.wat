;; test/latency/names.wat: a directory of 100,000 names: made, looked up, listed,
;; renamed, removed.  Exits with 0, or with the number of the step that went wrong.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file"
    (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename"
    (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close"
    (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir"
    (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 100)
  (data (i32.const 0) "n0000000r0000000")
  (global $count i32 (i32.const 100000))
  (func $check (param i32 i32)
    (if (local.get 0) (then (call $exit (local.get 1)))))
  ;; Number n, as the seven digits before an address.
  (func $digits (param $n i32) (param $at i32) (local $k i32)
    (loop $more
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48)
        (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
      (br_if $more (i32.lt_u
        (local.tee $k (i32.add (local.get $k) (i32.const 1)))
        (i32.const 7)))))
  (func $open_number (param $n i32) (param $flags i32) (param $step i32)
    (call $digits (local.get $n) (i32.const 8))
    (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 0)
      (i32.const 8) (local.get $flags) (i64.const 2) (i64.const 0)
      (i32.const 0) (i32.const 24)) (local.get $step))
    (call $check (call $close (i32.load (i32.const 24))) (local.get $step)))
  ;; What a listing of all in one piece takes.
  (func $list (result i32)
    (call $check (call $readdir (i32.const 3) (i32.const 65536)
      (i32.const 6000000) (i64.const 0) (i32.const 24)) (i32.const 3))
    (i32.load (i32.const 24)))
  (func (export "_start") (local $n i32)
    (loop $again
      (call $open_number (local.get $n) (i32.const 5) (i32.const 1))
      (br_if $again (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (global.get $count))))
    (call $open_number (i32.const 77777) (i32.const 0) (i32.const 2))
    (call $check (i32.ne (call $list) (i32.add (i32.const 51)
      (i32.mul (global.get $count) (i32.const 32)))) (i32.const 4))
    (local.set $n (i32.const 1))
    (loop $again
      (call $digits (local.get $n) (i32.const 8))
      (if (i32.and (local.get $n) (i32.const 1))
        (then (call $check (call $unlink (i32.const 3) (i32.const 0)
          (i32.const 8)) (i32.const 5)))
        (else
          (call $digits (local.get $n) (i32.const 16))
          (call $check (call $rename (i32.const 3) (i32.const 0) (i32.const 8)
            (i32.const 3) (i32.const 8) (i32.const 8)) (i32.const 6))))
      (br_if $again (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (global.get $count))))
    ;; all but the last
    (local.set $n (i32.const 0))
    (call $open_number (i32.const 1) (i32.const 5) (i32.const 7))
    (call $digits (i32.const 0) (i32.const 8))
    (call $check (call $unlink (i32.const 3) (i32.const 0) (i32.const 8))
      (i32.const 8))
    (local.set $n (i32.const 2))
    (loop $again
      (call $digits (local.get $n) (i32.const 16))
      (call $check (call $unlink (i32.const 3) (i32.const 8) (i32.const 8))
        (i32.const 9))
      (br_if $again (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 2)))
        (global.get $count))))
    (call $check (i32.ne (call $list) (i32.const 83)) (i32.const 10))))
