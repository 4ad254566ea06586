;; mode: inline
;; Small functions that call nothing are built in place of their calls.
(module
  (memory 1)
  (global $g (mut i32) (i32.const 0))
  (func $max (param i32 i32) (result i32) (local i32)
    (if (i32.gt_s (local.get 0) (local.get 1))
      (then (return (local.get 0))))
    (local.set 2 (local.get 1))
    (local.get 2))
  (func $two (param i64) (result i64 i32) (local.get 0) (i32.const 7))
  (func $set (param i32) (global.set $g (local.get 0)))
  (func $stop unreachable)
  (func $zero (result f64) (local f64) (local.get 0))
  (func $again (param i32) (result i32) ;; its local is 0 each time
    (local i32)
    (local.set 1 (i32.add (local.get 1) (local.get 0)))
    (local.get 1))
  (func (param i32) (result i32) ;; the caller's locals stay as they are
    (local $x i32)
    (local.set $x (call $max (local.get 0) (i32.const 3)))
    (call $set (local.get $x))
    (i32.add (local.get $x) (global.get $g)))
  (func (param i64) (result i64 i32) (call $two (local.get 0)))
  (func (param i32) (result i32)
    (loop $l
      (local.set 0 (call $again (local.get 0)))
      (br_if $l (call $again (local.get 0))))
    (local.get 0))
  (func (param i32) (result f64) ;; nothing comes after it
    (if (local.get 0) (then (call $stop) (global.set $g (i32.const 1))))
    (call $zero))
  (func (param i32) (result i32) ;; that calls: not small enough
    (block $out (result i32)
      (drop (br_if $out (call $max (local.get 0) (i32.const 1)) (local.get 0)))
      (call 6 (local.get 0)))))
;; expect
;; function 0
;; b0(v1 i32, v2 i32):
;;     v3 = i32.gt_s v1, v2
;;     branch v3 ? b1 : b2
;; b1:
;;     return v1
;; b2:
;;     return v2
;; function 1
;; b0(v1 i64):
;;     v2 = i32.const 7
;;     return v1, v2
;; function 2
;; b0(v1 i32):
;;     global.set 0, v1
;;     return
;; function 3
;; b0:
;;     trap "unreachable"
;; function 4
;; b0:
;;     v1 = f64.const 0x0
;;     return v1
;; function 5
;; b0(v1 i32):
;;     return v1
;; function 6
;; b0(v1 i32):
;;     v2 = i32.const 3
;;     v3 = i32.gt_s v1, v2
;;     branch v3 ? b1 : b2
;; b1:
;;     jump b3(v1)
;; b2:
;;     jump b3(v2)
;; b3(v7 i32):
;;     global.set 0, v7
;;     v9 = i32.add v7, v7
;;     return v9
;; function 7
;; b0(v1 i64):
;;     v2 = i32.const 7
;;     return v1, v2
;; function 8
;; b0(v1 i32):
;;     jump b1
;; b1: loop 1
;;     branch v1 ? b1 : b2
;; b2:
;;     return v1
;; function 9
;; b0(v1 i32):
;;     branch v1 ? b1 : b2
;; b1: cold
;;     trap "unreachable"
;; b2:
;;     v4 = f64.const 0x0
;;     return v4
;; function 10
;; b0(v1 i32):
;;     v2 = i32.const 1
;;     v3 = i32.gt_s v1, v2
;;     branch v3 ? b1 : b2
;; b1:
;;     jump b3(v1)
;; b2:
;;     jump b3(v2)
;; b3(v7 i32):
;;     branch v1 ? b5(v7) : b4
;; b4:
;;     v9 = call i32 func 6(v1)
;;     jump b5(v9)
;; b5(v11 i32):
;;     return v11
