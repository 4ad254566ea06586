(module
  (tag $number (param i32)) (tag $other)
  (func $raise (throw $number (i32.const 1)))
  (func (export "_start") (try (do (call $raise)) (catch $other))))
