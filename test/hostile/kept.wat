;; An exception that only a register of an outer frame holds, while so many are
;; thrown that the kernel looks for dead ones.  Ends with 134, unhandled.
(module
  (tag $e (param i32))
  (func $throw (param i32) (throw $e (local.get 0)))
  (func $many (local $i i32)
    (loop $again
      (try (do (call $throw (local.get $i))) (catch_all))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 1000)))))
  (func $outer
    (try (do (call $throw (i32.const 7)))
      (catch_all
        (call $many)
        (rethrow 0))))
  (func $direct (local $i i32)
    (try (do (throw $e (i32.const 8)))
      (catch $e
        (drop)
        (loop $again
          (try (do (throw $e (local.get $i))) (catch $e (drop)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $i) (i32.const 1000))))
        (rethrow 0))))
  (func (export "_start")
    (try (do (call $direct)) (catch_all))
    (try (do (call $outer)) (catch_all))
    (call $outer)))
