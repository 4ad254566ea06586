;; mode: plain
;; Locals and operands are in slots from block to block.
(module
  (func (param i32) (result i32) (local i32)
    (loop $l
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (param i32) (result i32) ;; operands move only where they have to
    (i32.const 1)
    (block (result i32)
      (i32.const 2)
      (i32.const 3)
      (br_if 0 (local.get 0))
      (drop))
    (i32.add))
  (func (param i32) (result v128)
    (if (result v128) (local.get 0)
      (then (v128.const i64x2 1 2))
      (else (v128.const i64x2 3 4)))))
;; expect
;; function 0 plain
;; b0(v1 i32):
;;     slot.set 0, v1
;;     jump b1
;; b1: loop 1
;;     v4 = slot.get i32 1
;;     v5 = slot.get i32 0
;;     v6 = i32.add v4, v5
;;     slot.set 1, v6
;;     v8 = i32.const -1
;;     v9 = i32.add v5, v8
;;     slot.set 0, v9
;;     branch v9 ? b1 : b2
;; b2:
;;     v12 = slot.get i32 1
;;     return v12
;; function 1 plain
;; b0(v1 i32):
;;     v2 = i32.const 1
;;     v3 = i32.const 2
;;     v4 = i32.const 3
;;     slot.set 0, v2
;;     slot.set 1, v3
;;     slot.set 2, v4
;;     branch v1 ? b1 : b2
;; b1:
;;     v9 = slot.get i32 2
;;     slot.set 1, v9
;;     jump b3
;; b2:
;;     jump b3
;; b3:
;;     v13 = slot.get i32 1
;;     v14 = slot.get i32 0
;;     v15 = i32.add v14, v13
;;     return v15
;; function 2 plain
;; b0(v1 i32):
;;     branch v1 ? b1 : b2
;; b1:
;;     v3 = v128.const 0x00000000000000020000000000000001
;;     slot.set 0, v3
;;     jump b3
;; b2:
;;     v6 = v128.const 0x00000000000000040000000000000003
;;     slot.set 0, v6
;;     jump b3
;; b3:
;;     v9 = slot.get v128 0
;;     return v9
