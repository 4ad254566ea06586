;; bench/gc/list.wat: a list of 200,000 nodes, walked and turned around in place.
(module
  (type $node (struct (field $next (mut (ref null $node))) (field $value (mut i32))))
  (func $make (param $n i32) (result (ref null $node)) (local $head (ref null $node))
    (loop $again
      (local.set $head (struct.new $node (local.get $head) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $head))
  (func $sum (param $n (ref null $node)) (result i32) (local $sum i32)
    (block $end
      (loop $again
        (br_if $end (ref.is_null (local.get $n)))
        (local.set $sum (i32.add (local.get $sum) (struct.get $node $value (local.get $n))))
        (struct.set $node $value (local.get $n) (i32.add (i32.const 1) (struct.get $node $value (local.get $n))))
        (local.set $n (struct.get $node $next (local.get $n)))
        (br $again)))
    (local.get $sum))
  (func $turn (param $n (ref null $node)) (result (ref null $node))
    (local $done (ref null $node)) (local $next (ref null $node))
    (block $end
      (loop $again
        (br_if $end (ref.is_null (local.get $n)))
        (local.set $next (struct.get $node $next (local.get $n)))
        (struct.set $node $next (local.get $n) (local.get $done))
        (local.set $done (local.get $n))
        (local.set $n (local.get $next))
        (br $again)))
    (local.get $done))
  (func (export "run") (param $times i32) (result i32)
    (local $list (ref null $node)) (local $sum i32)
    (local.set $list (call $make (i32.const 200000)))
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $sum (local.get $list))))
      (local.set $list (call $turn (local.get $list)))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $sum)))
