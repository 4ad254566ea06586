;; Equal instructions are shared where the first dominates; loads up to the
;; next write.
(module
  (memory 1)
  (global $g (mut i32) (i32.const 0))
  (func (param i32 i32) (result i32)
    (i32.mul (i32.add (local.get 0) (local.get 1))
             (i32.add (local.get 0) (local.get 1))))
  (func (param i32) (result i32) (local i32)
    (local.set 1 (i32.add (i32.load (local.get 0)) (i32.load (local.get 0))))
    (i32.store (local.get 0) (local.get 1))
    (i32.add (local.get 1) (i32.load (local.get 0))))
  (func (param i32) (result i32) ;; not across the arms, nor after them
    (if (local.get 0)
      (then (global.set $g (i32.clz (local.get 0))))
      (else (global.set $g (i32.clz (local.get 0)))))
    (i32.clz (local.get 0)))
  (func (result i32) ;; global.get after global.set
    (global.set $g (i32.sub (global.get $g) (i32.const 16)))
    (i32.store (global.get $g) (i32.const 1))
    (global.get $g)))
;; expect
;; function 0
;; b0(v1 i32, v2 i32):
;;     v3 = i32.add v1, v2
;;     v4 = i32.mul v3, v3
;;     return v4
;; function 1
;; b0(v1 i32):
;;     v2 = i32.load [v1]
;;     v3 = i32.add v2, v2
;;     i32.store [v1], v3
;;     v5 = i32.load [v1]
;;     v6 = i32.add v3, v5
;;     return v6
;; function 2
;; b0(v1 i32):
;;     branch v1 ? b1 : b2
;; b1:
;;     v3 = i32.clz v1
;;     global.set 0, v3
;;     jump b3
;; b2:
;;     v6 = i32.clz v1
;;     global.set 0, v6
;;     jump b3
;; b3:
;;     v9 = i32.clz v1
;;     return v9
;; function 3
;; b0:
;;     v1 = global.get i32 0
;;     v2 = i32.const -16
;;     v3 = i32.add v1, v2
;;     global.set 0, v3
;;     v5 = i32.const 1
;;     i32.store [v3], v5
;;     return v3
