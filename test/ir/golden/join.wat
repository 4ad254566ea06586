;; Parameters are made only for what differs.
(module
  (func (param i32) (result i32) (local i32 i32)
    (if (local.get 0)
      (then (local.set 1 (i32.const 5)) (local.set 2 (i32.const 6)))
      (else (local.set 1 (i32.const 7)) (local.set 2 (i32.const 6))))
    (i32.add (local.get 1) (local.get 2)))
  (func (param i32) (result i32) (local i32) ;; one edge: no parameter
    (block
      (local.set 1 (i32.const 4))
      (br 0))
    (local.get 1))
  (func (param i32) (result i32) (local i32) ;; the local starts as 0
    (block
      (br_if 0 (local.get 0))
      (local.set 1 (i32.const 9)))
    (local.get 1))
  (func (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 1))
      (else (unreachable))))
  (func (param i32 i64) (result i64 i32)
    (local.get 1) (local.get 0)
    (br_if 0 (local.get 0))
    (drop) (drop) (i64.const 1) (i32.const 2)))
;; expect
;; function 0
;; b0(v1 i32):
;;     branch v1 ? b1 : b2
;; b1:
;;     v3 = i32.const 5
;;     v4 = i32.const 6
;;     jump b3(v3)
;; b2:
;;     v6 = i32.const 7
;;     jump b3(v6)
;; b3(v8 i32):
;;     v9 = i32.add v8, v4
;;     return v9
;; function 1
;; b0(v1 i32):
;;     v2 = i32.const 4
;;     jump b1
;; b1:
;;     return v2
;; function 2
;; b0(v1 i32):
;;     v2 = i32.const 0
;;     branch v1 ? b2(v2) : b1
;; b1:
;;     v4 = i32.const 9
;;     jump b2(v4)
;; b2(v6 i32):
;;     return v6
;; function 3
;; b0(v1 i32):
;;     branch v1 ? b2 : b1
;; b1:
;;     v3 = i32.const 1
;;     jump b3
;; b2: cold
;;     trap "unreachable"
;; b3:
;;     return v3
;; function 4
;; b0(v1 i32, v2 i64):
;;     branch v1 ? b2(v2, v1) : b1
;; b1:
;;     v4 = i64.const 1
;;     v5 = i32.const 2
;;     jump b2(v4, v5)
;; b2(v7 i64, v8 i32):
;;     return v7, v8
