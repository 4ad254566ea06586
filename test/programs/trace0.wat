;; test/programs/trace0.wat: preview 0, which has another order of whence and
;; other structs.
(module
  (import "wasi_unstable" "fd_seek"
    (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_filestat_get"
    (func $stat (param i32 i32) (result i32)))
  (import "wasi_unstable" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "some")
  (func (export "_start")
    (drop (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 4)
      (i32.const 0) (i64.const 6) (i64.const 0) (i32.const 0) (i32.const 0)))
    (drop (call $seek (i32.load (i32.const 0)) (i64.const 1) (i32.const 1)
      (i32.const 64)))
    (drop (call $stat (i32.load (i32.const 0)) (i32.const 64)))
    (drop (call $spawn (i32.const 5)))))
