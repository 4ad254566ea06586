;; Handlers: the function is built in plain mode.
(module
  (tag $e (param i32 i64))
  (func $f)
  (func (param i32) (result i32)
    (try (result i32)
      (do (call $f) (i32.const 1))
      (catch $e (drop))
      (catch_all (rethrow 0))))
  (func (param i32)
    (try (do
      (try (do (throw $e (local.get 0) (i64.const 3)))
        (delegate 0)))
      (catch_all))))
;; expect
;; function 0
;; b0:
;;     return
;; function 1 plain
;; b0(v1 i32):
;;     slot.set 0, v1
;;     call func 0() try 1
;;     v4 = i32.const 1
;;     slot.set 1, v4
;;     jump b3
;; b1(v7 i32, v8 i64): cold
;;     slot.set 2, v8
;;     slot.set 1, v7
;;     jump b3
;; b2(v12 i64): cold
;;     slot.set 2, v12
;;     v14 = slot.get i64 2
;;     call builtin THROW_REF(v14)
;;     trap "unreachable"
;; b3:
;;     v17 = slot.get i32 1
;;     return v17
;; try 1 in 0:
;;     catch 0 b1(payload 0, exnref)
;;     catch_all b2(exnref)
;; function 2 plain
;; b0(v1 i32):
;;     slot.set 0, v1
;;     v3 = i64.const 3
;;     slot.set 2, v3
;;     slot.set 1, v1
;;     v6 = slot.address i64 1
;;     v7 = i32.const 0
;;     call builtin THROW(v7, v6) try 2
;;     trap "unreachable"
;; b1(v10 i64): cold
;;     slot.set 3, v10
;;     return
;; try 1 in 0:
;;     catch_all b1(exnref)
;; try 2 in 1:
