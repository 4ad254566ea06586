;; Calls, further results, tail calls, and what the kernel does.
(module
  (type $t (func (param i32) (result i32)))
  (import "m" "f" (func $f (param i32) (result i32 i64)))
  (table 4 funcref)
  (memory 1 10)
  (data "abc")
  (func (param i32) (result i64)
    (call $f (local.get 0))
    (drop) (i64.extend_i32_u))
  (func (param i32) (result i32)
    (call_indirect (type $t) (i32.const 7) (local.get 0)))
  (func (param i32) (result i32)
    (return_call_indirect (type $t) (local.get 0) (i32.const 2)))
  (func (param i32) (result i32)
    (memory.copy (local.get 0) (i32.const 16) (i32.const 32))
    (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 3))
    (data.drop 0)
    (memory.grow (local.get 0))))
;; expect
;; function 1
;; b0(v1 i32):
;;     v2 = call i32 func 0(v1)
;;     v3 = i64.extend_i32_u v2
;;     return v3
;; function 2
;; b0(v1 i32):
;;     v2 = i32.const 7
;;     v3 = call i32 table 0 type 0(v1, v2)
;;     return v3
;; function 3
;; b0(v1 i32):
;;     v2 = i32.const 2
;;     tail_call table 0 type 0(v2, v1)
;; function 4
;; b0(v1 i32):
;;     v2 = i32.const 0
;;     v3 = i64.const 32
;;     v4 = i64.const 16
;;     v5 = i64.extend_i32_u v1
;;     v6 = i64.const 0
;;     v7 = call i32 builtin MEMORY_COPY(v6, v5, v4, v3)
;;     check v7 "out of bounds memory access"
;;     v9 = i64.const 3
;;     v10 = call i32 builtin MEMORY_INIT(v6, v6, v6, v9)
;;     check v10 "out of bounds memory access"
;;     call builtin DATA_DROP(v2)
;;     v13 = call i64 builtin MEMORY_GROW(v2, v5)
;;     v14 = i32.wrap_i64 v13
;;     return v14
