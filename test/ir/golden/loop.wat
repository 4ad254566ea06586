;; A loop has parameters for the locals that it assigns, if they are needed.
(module
  (memory 1)
  (func (param i32 i32) (result i32) (local i32)
    (loop $next
      (local.set 2
        (i32.add (local.get 2) (i32.load offset=4 (local.get 0))))
      (local.set 0 (i32.add (local.get 0) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get 0) (local.get 1))))
    (local.get 2))
  (func (param i32) (local i32) ;; 1 is written before it is read
    (loop $next
      (local.set 1 (i32.load (local.get 0)))
      (local.set 0 (i32.add (local.get 1) (local.get 1)))
      (br_if $next (local.get 0))))
  (func (param i32 i32) (result i32) ;; nested; 1 is what it was
    (loop $outer
      (loop $inner
        (local.set 1 (local.get 1))
        (br_if $inner (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (br_if $outer (local.get 1)))
    (local.get 1))
  (func (loop)) ;; is none
  (func (param i32) ;; the way out comes after the last edge back
    (loop $l
      (br_if $l (local.get 0))
      (i32.store (i32.const 0) (i32.const 1)))))
;; expect
;; function 0
;; b0(v1 i32, v2 i32):
;;     v3 = i32.const 0
;;     jump b1(v3, v1)
;; b1(v5 i32, v6 i32): loop 1
;;     v7 = i32.load [v6 + 4]
;;     v8 = i32.add v5, v7
;;     v9 = i32.const 8
;;     v10 = i32.add v6, v9
;;     v11 = i32.lt_u v10, v2
;;     branch v11 ? b1(v8, v10) : b2
;; b2:
;;     return v8
;; function 1
;; b0(v1 i32):
;;     jump b1(v1)
;; b1(v3 i32): loop 1
;;     v4 = i32.load [v3]
;;     v5 = i32.add v4, v4
;;     branch v5 ? b1(v5) : b2
;; b2:
;;     return
;; function 2
;; b0(v1 i32, v2 i32):
;;     jump b1(v1)
;; b1(v4 i32): loop 1
;;     jump b2(v4)
;; b2(v6 i32): loop 2
;;     v7 = i32.const -1
;;     v8 = i32.add v6, v7
;;     branch v8 ? b2(v8) : b3
;; b3: loop 1
;;     branch v2 ? b1(v8) : b4
;; b4:
;;     return v2
;; function 3
;; b0:
;;     jump b1
;; b1:
;;     return
;; function 4
;; b0(v1 i32):
;;     v2 = i32.const 0
;;     jump b1
;; b1: loop 1
;;     branch v1 ? b1 : b2
;; b2:
;;     v5 = i32.const 1
;;     i32.store [v2], v5
;;     return
