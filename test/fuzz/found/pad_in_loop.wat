;; A handler inside a loop that it does not stay in: the value that lives
;; through the loop is in no place when the handler begins.

(module
  (tag)
  (table 1 funcref)
  (type $f (func (param f64)))
  (func (type $f) (local f32)
    try
    catch 0
      loop
        local.get 1
        i32.trunc_f32_u
        if
          try
          catch 0
          end
          i32.const 0
          f64.convert_i32_s
          i32.const 0
          return_call_indirect (type $f)
        end
        i32.const 3
        br_if 0
      end
    end))
