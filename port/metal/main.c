// port/metal/main.c: the kernel on the bare machine: from the boot loader to
// the programs of the initrd and the exit status.  How to start it in QEMU by
// hand (TCG), with the programs on a serial port (tool/qemu.c adds the channel,
// abi/channel.h):
//
//     qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 512M
//         -M microvm,x-option-roms=off,pit=on,pic=on,rtc=on,isa-serial=off
//         -nodefaults -no-user-config -no-reboot -display none
//         -device isa-debug-exit,iobase=0xf4,iosize=0x04
//         -chardev stdio,id=com1,signal=off
//         -device isa-serial,chardev=com1,iobase=0x3f8,irq=4
//         -chardev file,id=com2,path=stderr.txt
//         -device isa-serial,chardev=com2,iobase=0x2f8,irq=3
//         -chardev file,id=log,path=log.txt
//         -device isa-debugcon,chardev=log,iobase=0xe9
//         -kernel out/nebulet.elf -initrd programs.tar
//
// and the same with `-M q35`.  What may be left out: com2 and log, whose text
// then appears on com1.  QEMU's exit status is 2 n + 1 for our status n, modulo
// 256; the log ends with a NUL and the byte n (panic.c).

#include "port/metal/metal.h"
#include "port/metal/vconsole.h"
#include "wasi/wasi.h"

NORETURN void metal_main(u32 magic, u32 start); // called by boot.S

static struct boot_info info;
static u8 *first_stack;

extern const u8 image_end[];

// All RAM but what somebody uses already.  The first MiB stays untouched: the
// firmware's data, and the first instructions of other CPUs.
static void
init_memory(void)
{
    struct ranges free = info.ram;

    ranges_remove(&free, 0, (u64)image_end - KERNEL_BASE);
    ranges_remove(&free, info.initrd.start & ~(u64)(PAGE_SIZE - 1),
                  ALIGN_UP(info.initrd.end, PAGE_SIZE));
    frames_init(&free);
    space_init(&info);
    spans_init();
    if (!code_window_new(this_cpu()))
        panic(__FILE__, __LINE__, "no memory for page tables");
    code_window_use(this_cpu());
}

// Builds for tests do not trust what was set up.
static void
check_space(void)
{
    u64 at = 0;
    const char *fault = CHECKED ? space_check(&at) : NULL;

    if (fault != NULL)
        panic(__FILE__, __LINE__, fault);
}

// The kernel's first thread, on a stack as kernel/port.h wants it.
static void
first_thread(void *arg)
{
    struct bytes initrd = {direct(info.initrd.start),
                           info.initrd.end - info.initrd.start};

    (void)arg;
    sys_init(program_modules);
    bool on = port_interrupts_off(); // nobody has switched to it
    port_stack_use(first_stack, STACK_SIZE);
    port_interrupts_restore(on);
    check_space();
    streams_start(&info);
    devices_find(&info, vconsole_device());
    registers_look();
    u32 status = boot_run(initrd, info.cmdline);
    streams_drain();
    port_exit(status);
}

NORETURN static void
start_first_thread(void)
{
    struct context boot, first;
    u8 *stack = harden_on ? port_reserve_open(OPEN_STACK, STACK_SIZE, NULL) :
                            port_reserve(STACK_SIZE, STACK_SIZE);

    if (stack == NULL ||
        !port_commit(stack + STACK_GUARD, STACK_SIZE - STACK_GUARD))
        panic(__FILE__, __LINE__, "no memory for the first stack");
    first_stack = stack;
    context_init(&first, stack + STACK_SIZE - STACK_TOP, first_thread, NULL);
    context_switch(&boot, &first);
    __builtin_unreachable();
}

// Is this a machine that runs ring 0 at full speed (tool/qemu.c)?  Some take
// minutes for these turns.
NORETURN static void
probe(void)
{
    for (u32 i = 0; i < 10000000; i++)
        __asm__ volatile("");
    port_exit(0);
}

void
metal_main(u32 magic, u32 start)
{
    serial_init();
    cpu_init();
    if (!boot_info_read(&info, magic, direct(start), direct(0)))
        panic(__FILE__, __LINE__, "neither PVH nor Multiboot2 started us");
    if (boot_info_has_word(&info, "probe"))
        probe();
    if (boot_info_has_word(&info, "stay"))
        exit_stays();
    harden_init(&info);
    forget_init(&info);
    init_memory();
    irq_init();
    cpus_find(&info);
    machine_find(&info);
    clock_init();
    random_init();
    start_first_thread();
}
