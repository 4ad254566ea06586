;; Offsets, and a second memory of 64 bits.
(module
  (memory 1)
  (memory $big i64 1)
  (func (param i32) (result i64)
    (i64.load32_s offset=4294967295 (local.get 0)))
  (func (param i64) (result i64)
    (i64.load $big offset=16 (local.get 0)))
  (func (result i64) (memory.size $big))
  (func (param i32 v128) (result v128)
    (v128.load16_lane offset=2 5 (local.get 0) (local.get 1)))
  (func (param v128 v128) (result i32)
    (i16x8.extract_lane_s 3
      (i8x16.shuffle 0 1 2 3 4 5 6 7 24 25 26 27 28 29 30 31
        (local.get 0) (local.get 1)))))
;; expect
;; function 0
;; b0(v1 i32):
;;     v2 = i64.load32_s [v1 + 4294967295]
;;     return v2
;; function 1
;; b0(v1 i64):
;;     v2 = i64.load [v1 + 16] memory 1
;;     return v2
;; function 2
;; b0:
;;     v1 = memory.size i64 1
;;     return v1
;; function 3
;; b0(v1 i32, v2 v128):
;;     v3 = v128.load16_lane [v1 + 2], v2 lane 5
;;     return v3
;; function 4
;; b0(v1 v128, v2 v128):
;;     v3 = i8x16.shuffle v128 v1, v2 lanes 0x1f1e1d1c1b1a19180706050403020100
;;     v4 = i16x8.extract_lane_s v3 lane 3
;;     return v4
