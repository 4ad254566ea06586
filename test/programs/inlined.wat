;; Small functions that are built in place of their calls: a trap in one says
;; where it is, and who called it, as if it had been called.  The load is folded
;; into the comparison of another.
(module
  (memory 1)
  (func $load (param i32) (result i32) (i32.load (local.get 0)))
  (func $max (param i32 i32) (result i32)
    (if (result i32) (i32.gt_s (local.get 0) (local.get 1))
      (then (local.get 0)) (else (local.get 1))))
  (func $work (param i32) (result i32)
    (call $max (i32.const 7) (call $load (local.get 0))))
  (func (export "_start")
    (drop (call $work (i32.const 16)))
    (drop (call $work (i32.const -16)))))
