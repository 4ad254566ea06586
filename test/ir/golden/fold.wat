;; Instructions on constants, and identities.
(module
  (func (result i32)
    (i32.mul (i32.add (i32.const 2) (i32.const 3)) (i32.const -7)))
  (func (param i32) (result i32)
    (i32.add (i32.add (i32.const 5) (local.get 0)) (i32.const 7)))
  (func (param i32) (result i32)
    (i32.sub (i32.mul (local.get 0) (i32.const 8)) (i32.const 1)))
  (func (param i64) (result i32)
    (i32.eqz (i64.lt_s (local.get 0) (i64.const 9))))
  (func (param i32 i32) (result i32)
    (select (local.get 0) (local.get 1) (i32.eqz (local.get 0))))
  (func (param i32) (result i32) ;; must trap: stays
    (drop (i32.div_u (local.get 0) (i32.const 0)))
    (i32.rem_u (local.get 0) (i32.const 16)))
  (func (result f32) ;; only bits of floats fold
    (f32.reinterpret_i32 (i32.const 0x7fc00000)))
  (func (result f64)
    (f64.add (f64.const 1) (f64.const 2))))
;; expect
;; function 0
;; b0:
;;     v1 = i32.const -35
;;     return v1
;; function 1
;; b0(v1 i32):
;;     v2 = i32.const 12
;;     v3 = i32.add v1, v2
;;     return v3
;; function 2
;; b0(v1 i32):
;;     v2 = i32.const 3
;;     v3 = i32.shl v1, v2
;;     v4 = i32.const -1
;;     v5 = i32.add v3, v4
;;     return v5
;; function 3
;; b0(v1 i64):
;;     v2 = i64.const 9
;;     v3 = i64.ge_s v1, v2
;;     return v3
;; function 4
;; b0(v1 i32, v2 i32):
;;     v3 = select i32 v2, v1, v1
;;     return v3
;; function 5
;; b0(v1 i32):
;;     v2 = i32.const 0
;;     v3 = i32.div_u v1, v2
;;     v4 = i32.const 15
;;     v5 = i32.and v1, v4
;;     return v5
;; function 6
;; b0:
;;     v1 = f32.const 0x7fc00000
;;     return v1
;; function 7
;; b0:
;;     v1 = f64.const 0x3ff0000000000000
;;     v2 = f64.const 0x4000000000000000
;;     v3 = f64.add v1, v2
;;     return v3
