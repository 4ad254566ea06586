;; A program of 2018, without WASI: it shows the messages that come through its
;; handle 0 until nobody can send any more.  Run by itself, it has none.
(module
  (import "abi" "print" (func $print (param i32 i32)))
  (import "abi" "exit" (func $exit (param i64) (result i64)))
  (import "abi" "channel_recv" (func $recv (param i32 i32 i32 i32) (result i64)))
  (import "abi" "object_wait_one" (func $wait (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "no channel\n")
  (data (i32.const 1040) "the end\n")
  (func (export "main") (local $status i64)
    (loop $next
      (local.set $status
        (call $recv (i32.const 0) (i32.const 16) (i32.const 100) (i32.const 0)))
      (if (i64.eqz (local.get $status))
        (then
          (call $print (i32.const 16) (i32.load (i32.const 0)))
          (br $next)))
      (if (i64.eq (local.get $status) (i64.const -12)) ;; SHOULD_WAIT
        (then
          (drop (call $wait (i32.const 0) (i32.const 5))) ;; READABLE, PEER_CLOSED
          (br $next))))
    (if (i64.eq (local.get $status) (i64.const -15)) ;; NOT_FOUND
      (then (call $print (i32.const 1024) (i32.const 11)) (return)))
    (drop (call $exit (local.get $status)))
    (call $print (i32.const 1040) (i32.const 8))))
