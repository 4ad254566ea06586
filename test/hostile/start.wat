;; Stack overflow in the start function.
(module
  (func $down (call $down))
  (start $down)
  (func (export "_start")))
