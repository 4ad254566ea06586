;; Products of 128 bits by halves.
(module
  (memory 1)
  (func $high (param i64 i64) (result i64 i64)
    (local $ah i64) (local $al i64) (local $bh i64) (local $bl i64)
    (local $p i64) (local $t i64) (local $w i64)
    (local.set $ah (i64.shr_u (local.get 0) (i64.const 32)))
    (local.set $al (i64.and (local.get 0) (i64.const 0xffffffff)))
    (local.set $bh (i64.shr_u (local.get 1) (i64.const 32)))
    (local.set $bl (i64.and (local.get 1) (i64.const 0xffffffff)))
    (local.set $p (i64.mul (local.get $bl) (local.get $al)))
    (local.set $t (i64.add (i64.shr_u (local.get $p) (i64.const 32))
                           (i64.mul (local.get $bh) (local.get $al))))
    (local.set $w (i64.add (i64.mul (local.get $ah) (local.get $bl))
                           (i64.and (local.get $t) (i64.const 0xffffffff))))
    (i64.or (i64.shl (local.get $w) (i64.const 32))
            (i64.and (local.get $p) (i64.const 0xffffffff)))
    (i64.add (i64.shr_u (local.get $w) (i64.const 32))
             (i64.add (i64.shr_u (local.get $t) (i64.const 32))
                      (i64.add (i64.mul (local.get $bh) (local.get $ah))
                               (i64.mul (local.get 0) (local.get 1))))))
  (func (param i64 i64) (result i64) ;; w has the upper half of another
    (local $al i64) (local $bh i64) (local $bl i64) (local $p i64) (local $t i64)
    (local.set $al (i64.and (local.get 0) (i64.const 0xffffffff)))
    (local.set $bh (i64.shr_u (local.get 1) (i64.const 32)))
    (local.set $bl (i64.and (local.get 1) (i64.const 0xffffffff)))
    (local.set $p (i64.mul (local.get $bl) (local.get $al)))
    (local.set $t (i64.add (i64.shr_u (local.get $p) (i64.const 32))
                           (i64.mul (local.get $bh) (local.get $al))))
    (i64.or (i64.shl (i64.add (i64.mul (local.get $bh) (local.get $bl))
                              (i64.and (local.get $t) (i64.const 0xffffffff)))
                     (i64.const 32))
            (i64.and (local.get $p) (i64.const 0xffffffff)))))
;; expect
;; function 0
;; b0(v1 i64, v2 i64):
;;     v3 = i64.mul_wide_u i64 v1, v2
;;     v4 = result i64 1 of v3
;;     v5 = i64.mul v1, v2
;;     v6 = i64.add v5, v4
;;     return v3, v6
;; function 1
;; b0(v1 i64, v2 i64):
;;     v3 = i64.const 4294967295
;;     v4 = i64.and v1, v3
;;     v5 = i64.const 32
;;     v6 = i64.shr_u v2, v5
;;     v7 = i64.and v2, v3
;;     v8 = i64.mul v7, v4
;;     v9 = i64.shr_u v8, v5
;;     v10 = i64.mul v6, v4
;;     v11 = i64.add v9, v10
;;     v12 = i64.mul v6, v7
;;     v13 = i64.and v11, v3
;;     v14 = i64.add v12, v13
;;     v15 = i64.shl v14, v5
;;     v16 = i64.and v8, v3
;;     v17 = i64.or v15, v16
;;     return v17
