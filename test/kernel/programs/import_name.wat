(module (import "nebulet" "thread_yield" (func (result i32)))
        (import "nebulet" "no_such_call" (func)) (func (export "_start")))
