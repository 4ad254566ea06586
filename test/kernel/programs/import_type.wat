(module (import "nebulet" "thread_yield" (func (result i64))) (func (export "_start")))
