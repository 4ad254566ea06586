;; Fills all of its memory again and again.
(module (memory 256 65536)
  (func (export "_start")
    (loop $again
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216))
      (br $again))))
