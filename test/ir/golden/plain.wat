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
;; function 0, a part
;; b0: label 2
;;     jump b1
;; b1: label 4
;;     v2 = slot.get i32 2
;;     v3 = slot.get i32 1
;;     v4 = i32.add v2, v3
;;     slot.set 2, v4
;;     v6 = i32.const -1
;;     v7 = i32.add v3, v6
;;     slot.set 1, v7
;;     branch v7 ? b2 : b3
;; b2:
;;     goto 4
;; b3:
;;     v11 = slot.get i32 2
;;     slot.set 4, v11
;;     goto 3
;; function 0, the last part
;; b0(v1 i32):
;;     slot.set 1, v1
;;     goto 2
;; b1: label 3
;;     v4 = slot.get i32 4
;;     return v4
;; function 1, a part
;; b0: label 2
;;     v1 = i32.const 1
;;     v2 = i32.const 2
;;     v3 = i32.const 3
;;     v4 = slot.get i32 1
;;     slot.set 3, v1
;;     slot.set 4, v2
;;     slot.set 5, v3
;;     branch v4 ? b1 : b2
;; b1:
;;     v9 = slot.get i32 5
;;     slot.set 4, v9
;;     goto 4
;; b2:
;;     jump b3
;; b3: label 4
;;     v13 = slot.get i32 4
;;     v14 = slot.get i32 3
;;     v15 = i32.add v14, v13
;;     slot.set 3, v15
;;     goto 3
;; function 1, the last part
;; b0(v1 i32):
;;     slot.set 1, v1
;;     goto 2
;; b1: label 3
;;     v4 = slot.get i32 3
;;     return v4
;; function 2, a part
;; b0: label 2
;;     v1 = slot.get i32 1
;;     branch v1 ? b2 : b1
;; b1:
;;     goto 4
;; b2:
;;     v4 = v128.const 0x00000000000000020000000000000001
;;     slot.set 3, v4
;;     goto 5
;; b3: label 4
;;     v7 = v128.const 0x00000000000000040000000000000003
;;     slot.set 3, v7
;;     jump b4
;; b4: label 5
;;     goto 3
;; function 2, the last part
;; b0(v1 i32):
;;     slot.set 1, v1
;;     goto 2
;; b1: label 3
;;     v4 = slot.get v128 3
;;     return v4
