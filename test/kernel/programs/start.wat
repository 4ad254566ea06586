(module
  (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
  (global $ran (mut i32) (i32.const 0))
  (func $first (global.set $ran (i32.const 33)))
  (start $first)
  (func (export "_start") (drop (call $exit (global.get $ran)))))
