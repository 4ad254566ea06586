# user/libpthread/start.s: where a new thread begins, without a stack: take the
# one of the struct pthread and run it.  Then, off that stack, turn its state
# from RUNNING (0) to ENDED (2) and wake whoever joins.

    .globaltype __stack_pointer, i32
    .functype   thread_main (i32, i32) -> (i32)

    .section    .text.wasi_thread_start,"",@
    .globl      wasi_thread_start
    .export_name wasi_thread_start, wasi_thread_start
    .type       wasi_thread_start,@function
wasi_thread_start:
    .functype   wasi_thread_start (i32, i32) -> ()
    local.get   1
    i32.load    0
    global.set  __stack_pointer
    local.get   0
    local.get   1
    call        thread_main
    local.tee   0
    i32.const   0
    i32.const   2
    i32.atomic.rmw.cmpxchg 0
    drop
    local.get   0
    i32.const   -1
    memory.atomic.notify 0
    drop
    end_function
