;; Declares 3 GiB, whatever it may need.
(module
  (memory (export "memory") 49152)
  (func (export "_start")))
