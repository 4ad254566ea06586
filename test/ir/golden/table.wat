;; br_table: equal targets share an edge; two targets are a branch.
(module
  (func (param i32) (result i32)
    (block $c (block $b (block $a
      (br_table $a $b $a $c $b $c (local.get 0)))
      (return (i32.const 10)))
     (return (i32.const 20)))
    (i32.const 30))
  (func (param i32) (result i32)
    (block $b (block $a (br_table $a $b (local.get 0)))
      (return (i32.const 1)))
    (i32.const 2))
  (func (param i32)
    (block (br_table 0 0 0 (local.get 0)))))
;; expect
;; function 0
;; b0(v1 i32):
;;     switch v1 [b1, b2, b1, b3, b2, else b3]
;; b1:
;;     v3 = i32.const 10
;;     return v3
;; b2:
;;     v5 = i32.const 20
;;     return v5
;; b3:
;;     v7 = i32.const 30
;;     return v7
;; function 1
;; b0(v1 i32):
;;     branch v1 ? b2 : b1
;; b1:
;;     v3 = i32.const 1
;;     return v3
;; b2:
;;     v5 = i32.const 2
;;     return v5
;; function 2
;; b0(v1 i32):
;;     jump b1
;; b1:
;;     return
