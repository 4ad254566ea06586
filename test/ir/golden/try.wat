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
;; function 1
;; b0(v1 i32):
;;     call func 0() try 1
;;     v3 = i32.const 1
;;     jump b3(v3)
;; b1(v5 i32, v6 i64): cold
;;     slot.set 0, v6
;;     jump b3(v5)
;; b2(v9 i64): cold
;;     slot.set 0, v9
;;     v11 = slot.get i64 0
;;     call builtin THROW_REF(v11)
;;     trap "unreachable"
;; b3(v14 i32):
;;     return v14
;; try 1 in 0:
;;     catch 0 b1(payload 0, exnref)
;;     catch_all b2(exnref)
;; function 2
;; b0(v1 i32):
;;     v2 = i32.const 0
;;     v3 = i64.const 3
;;     slot.set 1, v3
;;     slot.set 0, v1
;;     v6 = slot.address i64 0
;;     call builtin THROW(v2, v6) try 2
;;     trap "unreachable"
;; b1: cold
;;     return
;; try 1 in 0:
;;     catch_all b1
;; try 2 in 1:
