;; A spawned program: writes a message to the channel it was given as the first
;; handle, sees that there is no second, and exits with status 7.
(module
  (import "nebulet" "process_given" (func $given (param i32 i32) (result i32)))
  (import "nebulet" "channel_write"
    (func $write (param i32 i32 i32 i32 i32) (result i32)))
  (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
  (memory 1)
  (data (i32.const 16) "here")
  (func (export "_start")
    (if (i32.ne (call $given (i32.const 0) (i32.const 8)) (i32.const 0))
      (then (drop (call $exit (i32.const 1)))))
    (if (i32.ne (call $given (i32.const 1) (i32.const 12)) (i32.const -15))
      (then (drop (call $exit (i32.const 2)))))
    (if (i32.ne (call $write (i32.load (i32.const 8)) (i32.const 16)
                  (i32.const 4) (i32.const 0) (i32.const 0))
                (i32.const 0))
      (then (drop (call $exit (i32.const 3)))))
    (drop (call $exit (i32.const 7)))))
