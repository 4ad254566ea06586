;; Grows its tables in turn, for ever.
(module
  (table $a 1 externref) (table $b 1 externref)
  (func (export "_start")
    (loop $again
      (drop (table.grow $a (ref.null extern) (i32.const 1000)))
      (drop (table.grow $b (ref.null extern) (i32.const 100000)))
      (br $again))))
