;; Memory, also what grows, begins with zeros, whoever had the pages before; then
;; it is left full of ones for the next.  So do tables.
(module
  (memory (export "memory") 100 200)
  (table $t 1000 2000 funcref)
  (elem declare func $check)

  (func $check (param $at i32) (param $end i32)
    (loop $next
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
        (then (unreachable)))
      (i64.store (local.get $at) (i64.const -1))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))

  (func $check_table (param $at i32) (param $end i32)
    (loop $next
      (if (i32.eqz (ref.is_null (table.get $t (local.get $at))))
        (then (unreachable)))
      (table.set $t (local.get $at) (ref.func $check))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))

  (func (export "_start")
    (call $check (i32.const 0) (i32.const 6553600))
    (drop (memory.grow (i32.const 100)))
    (call $check (i32.const 6553600) (i32.const 13107200))
    (call $check_table (i32.const 0) (i32.const 1000))
    (drop (table.grow $t (ref.null func) (i32.const 1000)))
    (call $check_table (i32.const 1000) (i32.const 2000))))
