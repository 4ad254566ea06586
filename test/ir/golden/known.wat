;; Loads of what is known: stored, or loaded before stores to other bytes.
(module
  (memory 1)
  (memory $m 1)
  (func (param i32 i32) (result i32) ;; one value, and bytes behind it
    (i32.store offset=4 (local.get 0) (local.get 1))
    (i32.store offset=8 (local.get 0) (i32.const 5))
    (i32.store8 offset=3 (local.get 0) (i32.const 6))
    (i32.load offset=4 (local.get 0)))
  (func (param i32 i32) (result i32) ;; a byte of it is written
    (i32.store offset=4 (local.get 0) (local.get 1))
    (i32.store8 offset=7 (local.get 0) (i32.const 6))
    (i32.load offset=4 (local.get 0)))
  (func (param i32 i32) (result i32) ;; by another address
    (i32.store (local.get 0) (i32.const 1))
    (i32.store (local.get 1) (i32.const 2))
    (i32.load (local.get 0)))
  (func (param i32 f32) (result i32) ;; as another type, as fewer bytes
    (f32.store (local.get 0) (local.get 1))
    (i32.store8 offset=4 (local.get 0) (i32.const 300))
    (i32.add (i32.load (local.get 0)) (i32.load8_u offset=4 (local.get 0))))
  (func (param i32 i32) (result i32) ;; a sum: only without an offset
    (i32.store offset=8 (i32.sub (local.get 0) (i32.const 16)) (local.get 1))
    (i32.add (i32.load (i32.sub (local.get 0) (i32.const 8)))
             (i32.load offset=4 (i32.sub (local.get 0) (i32.const 12)))))
  (func (param i32 i64) (result i64) ;; sums that come around
    (i64.store (local.get 0) (local.get 1))
    (i32.store offset=0xfffffffc (i32.add (local.get 0) (i32.const 8))
      (i32.const 1))
    (i64.load (local.get 0)))
  (func (param i32 i32) (result i32) ;; another memory may be the same one
    (i32.store (local.get 0) (local.get 1))
    (i32.store $m (local.get 0) (i32.const 1))
    (i32.load (local.get 0)))
  (func (param i32 i32) (result i32) ;; an arm writes
    (i32.store (local.get 0) (local.get 1))
    (if (local.get 1) (then (i32.store (local.get 1) (i32.const 1))))
    (i32.load (local.get 0)))
  (func (param i32 i32) (result i32) ;; what one arm has loaded
    (if (result i32) (local.get 1)
      (then (i32.load (local.get 0)))
      (else (i32.load (local.get 0))))
    (i32.add (i32.load (local.get 0))))
  (func (param i32 i32) (result i32) ;; atomics are done
    (i32.store (local.get 0) (local.get 1))
    (drop (i32.atomic.load (i32.const 0)))
    (i32.load (local.get 0)))
  (func (param i32 i32) (result i32) ;; each time around
    (i32.store (local.get 0) (local.get 1))
    (loop $l
      (br_if $l (i32.load (local.get 0))))
    (i32.load (local.get 0))))
;; expect
;; function 0
;; b0(v1 i32, v2 i32):
;;     i32.store [v1 + 4], v2
;;     v4 = i32.const 5
;;     i32.store [v1 + 8], v4
;;     v6 = i32.const 6
;;     i32.store8 [v1 + 3], v6
;;     return v2
;; function 1
;; b0(v1 i32, v2 i32):
;;     i32.store [v1 + 4], v2
;;     v4 = i32.const 6
;;     i32.store8 [v1 + 7], v4
;;     v6 = i32.load [v1 + 4]
;;     return v6
;; function 2
;; b0(v1 i32, v2 i32):
;;     v3 = i32.const 1
;;     i32.store [v1], v3
;;     v5 = i32.const 2
;;     i32.store [v2], v5
;;     v7 = i32.load [v1]
;;     return v7
;; function 3
;; b0(v1 i32, v2 f32):
;;     f32.store [v1], v2
;;     v4 = i32.const 300
;;     i32.store8 [v1 + 4], v4
;;     v6 = i32.load [v1]
;;     v7 = i32.load8_u [v1 + 4]
;;     v8 = i32.add v6, v7
;;     return v8
;; function 4
;; b0(v1 i32, v2 i32):
;;     v3 = i32.const -16
;;     v4 = i32.add v1, v3
;;     i32.store [v4 + 8], v2
;;     v6 = i32.const -12
;;     v7 = i32.add v1, v6
;;     v8 = i32.load [v7 + 4]
;;     v9 = i32.add v2, v8
;;     return v9
;; function 5
;; b0(v1 i32, v2 i64):
;;     i64.store [v1], v2
;;     v4 = i32.const 8
;;     v5 = i32.add v1, v4
;;     v6 = i32.const 1
;;     i32.store [v5 + 4294967292], v6
;;     v8 = i64.load [v1]
;;     return v8
;; function 6
;; b0(v1 i32, v2 i32):
;;     i32.store [v1], v2
;;     v4 = i32.const 1
;;     i32.store [v1] memory 1, v4
;;     v6 = i32.load [v1]
;;     return v6
;; function 7
;; b0(v1 i32, v2 i32):
;;     i32.store [v1], v2
;;     branch v2 ? b1 : b2
;; b1:
;;     v5 = i32.const 1
;;     i32.store [v2], v5
;;     jump b2
;; b2:
;;     v8 = i32.load [v1]
;;     return v8
;; function 8
;; b0(v1 i32, v2 i32):
;;     branch v2 ? b1 : b2
;; b1:
;;     v4 = i32.load [v1]
;;     jump b3(v4)
;; b2:
;;     v6 = i32.load [v1]
;;     jump b3(v6)
;; b3(v8 i32):
;;     v9 = i32.load [v1]
;;     v10 = i32.add v8, v9
;;     return v10
;; function 9
;; b0(v1 i32, v2 i32):
;;     v3 = i32.const 0
;;     i32.store [v1], v2
;;     v5 = i32.atomic.load [v3]
;;     v6 = i32.load [v1]
;;     return v6
;; function 10
;; b0(v1 i32, v2 i32):
;;     i32.store [v1], v2
;;     jump b1
;; b1: loop 1
;;     v5 = i32.load [v1]
;;     branch v5 ? b1 : b2
;; b2:
;;     return v5
