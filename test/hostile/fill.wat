;; Take and touch memory until there is no more; 0 when growing fails, 134 when
;; a touch does.
(module
  (memory 1)
  (func (export "_start")
    (loop $again
      (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (return)))
      (memory.fill (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 0x100000))
        (i32.const 0x55) (i32.const 0x100000))
      (br $again))))
