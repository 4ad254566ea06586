;; Handlers behind tail calls that change the size of the stack arguments: each
;; is entered with its own frame, whatever was thrown through.
(module
  (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
  (tag $t (param i64))
  (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 v128)
    (result i64)))
  (type $narrow (func (param i64) (result i64)))
  (table funcref (elem $raise $raise_wide $shrink))

  (func $raise (type $narrow) (throw $t (local.get 0)))
  (func $raise_wide (type $wide) (throw $t (local.get 12)))
  (func $shrink (type $wide) (return_call $raise (local.get 12)))
  (func $grow (type $narrow)
    (return_call $raise_wide
      (i64.const 0x515151510000) (i64.const 0x515151510001) (i64.const 0x515151510002)
      (i64.const 0x515151510003) (i64.const 0x515151510004) (i64.const 0x515151510005)
      (i64.const 0x515151510006) (i64.const 0x515151510007) (i64.const 0x515151510008)
      (i64.const 0x515151510009) (i64.const 0x51515151000a) (i64.const 0x51515151000b)
      (local.get 0) (v128.const i64x2 -1 -1)))

  ;; grow and shrink by turns
  (func $up (type $narrow)
    (return_call $down
      (i64.const 0x515151510000) (i64.const 0x515151510001) (i64.const 0x515151510002)
      (i64.const 0x515151510003) (i64.const 0x515151510004) (i64.const 0x515151510005)
      (i64.const 0x515151510006) (i64.const 0x515151510007) (i64.const 0x515151510008)
      (i64.const 0x515151510009) (i64.const 0x51515151000a) (i64.const 0x51515151000b)
      (local.get 0) (v128.const i64x2 -1 -1)))
  (func $down (type $wide)
    (if (i64.eqz (i64.and (local.get 12) (i64.const 7)))
      (then (return_call_indirect (type $narrow) (local.get 12) (i32.const 0))))
    (return_call $up (i64.sub (local.get 12) (i64.const 1))))

  ;; throws n, or for $how = 2 n without its last three bits
  (func $call (param $n i64) (param $how i32) (result i64)
    (if (i32.eqz (local.get $how))
      (then (return (call_indirect (type $wide)
        (i64.const 0x515151510000) (i64.const 0x515151510001) (i64.const 0x515151510002)
        (i64.const 0x515151510003) (i64.const 0x515151510004) (i64.const 0x515151510005)
        (i64.const 0x515151510006) (i64.const 0x515151510007) (i64.const 0x515151510008)
        (i64.const 0x515151510009) (i64.const 0x51515151000a) (i64.const 0x51515151000b)
        (local.get $n) (v128.const i64x2 -1 -1)
        (i32.add (i32.const 1) (i32.and (i32.wrap_i64 (local.get $n)) (i32.const 1)))))))
    (if (i32.eq (local.get $how) (i32.const 1))
      (then (return (call $grow (local.get $n)))))
    (call $up (local.get $n)))

  ;; what is thrown + 3 n, from values that live across the call
  (func $catch (param $n i64) (param $how i32) (result i64) (local $kept i64)
    (local.set $kept (i64.mul (local.get $n) (i64.const 3)))
    (try (result i64)
      (do (i64.sub (call $call (local.get $n) (local.get $how)) (i64.const 1)))
      (catch $t (i64.add (local.get $kept)))))

  (func $check (param $n i64) (param $how i32)
    (local $thrown i64) (local $a i64) (local $b i64)
    (local.set $thrown (local.get $n))
    (if (i32.eq (local.get $how) (i32.const 2))
      (then (local.set $thrown (i64.and (local.get $n) (i64.const -8)))))
    (local.set $a (i64.xor (local.get $n) (i64.const 0x1234567812345678)))
    (local.set $b (i64.rotl (local.get $a) (i64.const 17)))
    (if (i64.ne (call $catch (local.get $n) (local.get $how))
                (i64.add (local.get $thrown) (i64.mul (local.get $n) (i64.const 3))))
      (then unreachable))
    ;; $catch has kept the registers of its caller
    (if (i64.ne (local.get $b) (i64.rotl (i64.xor (local.get $n)
        (i64.const 0x1234567812345678)) (i64.const 17)))
      (then unreachable)))

  (func (export "_start") (local $n i64) (local $how i32)
    (loop $again
      (local.set $how (i32.const 0))
      (loop $each
        (call $check (local.get $n) (local.get $how))
        (br_if $each (i32.lt_u
          (local.tee $how (i32.add (local.get $how) (i32.const 1))) (i32.const 3))))
      (br_if $again (i64.lt_u
        (local.tee $n (i64.add (local.get $n) (i64.const 1))) (i64.const 1000))))
    (drop (call $exit (i32.const 42)))))
