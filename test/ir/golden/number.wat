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
    (global.get $g))
  (func (param i32 i32) (result i32) ;; popcnt is not on all ways to the end
    (block $f
      (block $m
        (block $l
          (block
            (if (local.get 0)
              (then (i32.store (i32.const 0) (i32.clz (local.get 1)))))
            (i32.store (i32.const 0) (i32.ctz (local.get 0)))
            (br_table $l $f $f (local.get 1))))
        (i32.store (i32.const 0) (i32.popcnt (local.get 0)))
        (br_if $m (local.get 0))
        (i32.store (i32.const 4) (i32.const 0))))
    (i32.popcnt (local.get 0))))
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
;;     v5 = i32.add v3, v3
;;     return v5
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
;; function 4
;; b0(v1 i32, v2 i32):
;;     v3 = i32.const 0
;;     branch v1 ? b1 : b2
;; b1:
;;     v5 = i32.clz v2
;;     i32.store [v3], v5
;;     jump b2
;; b2:
;;     v8 = i32.ctz v1
;;     i32.store [v3], v8
;;     switch v2 [b3, b6, else b6]
;; b3:
;;     v11 = i32.popcnt v1
;;     i32.store [v3], v11
;;     branch v1 ? b5 : b4
;; b4:
;;     v14 = i32.const 4
;;     i32.store [v14], v3
;;     jump b5
;; b5:
;;     jump b6
;; b6:
;;     v18 = i32.popcnt v1
;;     return v18
