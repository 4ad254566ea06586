;; Calls through a table that it exports; imports nothing.  What is in the table
;; comes from torn_user.wat.
(module
  (type $called (func (param i64) (result i32)))
  (type $plain (func))
  (table (export "table") 4 funcref)
  (func (export "_start")
    (call_indirect (type $plain) (i32.const 3))
    (loop $again
      (drop (call_indirect (type $called) (i64.const -1) (i32.const 0)))
      (br $again))))
