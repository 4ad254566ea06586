# Nebulet.  `make help` lists the targets.  Everything is built under out/;
# objects depend on the file with their flags, this one or user/rules.mk.

CC      ?= gcc
OUT     := out
folders  = $(shell awk '!/^\#/ && $$2 == "$(1)" { print $$1 }' make/layers.txt)
COMPILER := $(call folders,compiler)
LAYERS  := $(COMPILER) $(call folders,kernel)
LINUX   := $(LAYERS) port/x64 port/model port/linux
METAL   := $(LAYERS) port/x64 port/metal
# clang checks the locks (base/base.h), by attributes where gcc takes none.
LOCKING := -Wthread-safety -Wno-gcc-compat
WARN    := -std=c11 -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion \
           -Wvla -Wmissing-prototypes -Werror $(if $(findstring clang,$(CC)),$(LOCKING))
# To zero a struct of a call with `rep stos` takes longer than the rest of it.
STRUCTS := -mmemset-strategy=unrolled_loop:256:noalign,libcall:-1:noalign
COMMON  := $(WARN) -I. -g -fwrapv -fno-strict-aliasing \
           -fno-delete-null-pointer-checks -mno-red-zone -MMD -MP \
           $(if $(findstring clang,$(CC)),,$(STRUCTS))
# The command and the kernel themselves are optimised as a whole when they are
# linked, which takes half a minute: calls of the kernel are short functions of
# many files.  What tests link are the same objects without that.
WHOLE   := $(if $(findstring clang,$(CC)),,-flto=auto -flto-partition=one)
OBJECTS := $(if $(WHOLE),$(WHOLE) -ffat-lto-objects)
HOST     = $(COMMON) -O2 -D_GNU_SOURCE -fno-omit-frame-pointer
SAN      = $(COMMON) -O1 -D_GNU_SOURCE -fno-omit-frame-pointer \
           -fsanitize=address,undefined -fno-sanitize-recover=undefined \
           -DNEBULET_CHECKED
KERNEL   = $(COMMON) -O2 -ffreestanding -fbuiltin -fno-pic -mcmodel=kernel \
           -mgeneral-regs-only -mpopcnt -fno-stack-protector -fcf-protection=none \
           -fno-asynchronous-unwind-tables -fno-omit-frame-pointer

# A hash of the compiler's sources, by which code files (code/file.c) tell what
# made them.
MAKES_CODE := $(sort $(foreach d,$(COMPILER) port/x64,$(wildcard $(d)/*.*)))
FILE_O     := $(foreach kind,host san tsan counted metal checked,$(OUT)/$(kind)/code/file.c.o)
$(FILE_O): $(MAKES_CODE)
$(FILE_O): COMMON += -DCODE_COMPILER=0x$(shell cat $(MAKES_CODE) | sha256sum | cut -c 1-16)

# libcrypto has SHA-256, of which little is linked.
LIBS    := -lcjson -l:libcrypto.a -lpthread

comma   := ,
sources  = $(foreach d,$(1),$(wildcard $(d)/*.c $(d)/*.S))
objects  = $(patsubst %,$(OUT)/$(1)/%.o,$(call sources,$(2)))

# --- what a target needs: checked once, before anything else ---------------------

# Groups of make/deps.sh for each target; one that is not here needs `build`.
NEEDS_clean      :=
NEEDS_uninstall  :=
NEEDS_help       :=
NEEDS_lint       := build lint
NEEDS_prove      := build test prove
NEEDS_run        := build run
NEEDS_tests      := build test image
NEEDS_test       := build run test image
NEEDS_test-languages := build run
NEEDS_test-metal := build run test
NEEDS_test-smp   := build run test
NEEDS_test-tsan  := build run test fuzz
NEEDS_test-bare  := bare
NEEDS_ci         := build run test lint image
NEEDS_analyze    :=
NEEDS_suite      := test
NEEDS_unit       := build test
NEEDS_fuzz       := build fuzz
NEEDS_soak       := build run test prove image
NEEDS_corpus     := build fuzz

GOALS  := $(or $(MAKECMDGOALS),all)
GROUPS := $(sort $(foreach g,$(GOALS),$(if $(filter undefined,$(origin NEEDS_$(g))),build,$(NEEDS_$(g)))))

ifneq ($(GROUPS),)
ifneq ($(shell DEPS=$(DEPS) make/deps.sh $(GROUPS) >&2; echo $$?),0)
$(error what $(GOALS) needs is not here)
endif
endif

# --- what to make ------------------------------------------------------------------

.PHONY: all
all: $(OUT)/nebulet $(OUT)/nebulet.elf programs ## build the host command, the kernel and the programs

.PHONY: run
run: all ## boot the kernel in QEMU: the dining philosophers, and a shell where there is a terminal
	@if [ -t 0 ] && [ -t 1 ]; then $(OUT)/nebulet shell --dir $(OUT)/user/philosophers-rust.wasm::/bin/philosophers -- -C philosophers; \
	else $(OUT)/nebulet run $(OUT)/user/philosophers-rust.wasm; fi

.PHONY: test
test: all tests ## everything, on Linux (ASan, UBSan) and in QEMU
	@test/run.sh $(OUT) unit suite calls programs command wasi hostile metal cpus

.PHONY: test-languages
test-languages: all ## the examples of docs/languages.md, after installing their compilers
	@test/command/languages.py $(OUT) install

.PHONY: test-metal
test-metal: all tests ## the kernel tests and the official suite in QEMU
	@test/run.sh $(OUT) metal

.PHONY: test-smp
test-smp: all tests ## the kernel tests with 2, 4 and 8 CPUs, the programs with 4
	@test/run.sh $(OUT) smp

.PHONY: test-tsan
test-tsan: $(OUT)/tsan/test-kernel ## kernel tests on linux with 4 CPUs under ThreadSanitizer
	@test/run.sh $(OUT) tsan

.PHONY: suite
suite: ## get the official test suite with cargo; takes minutes
	@test/suite/fetch.sh $(OUT)

.PHONY: accept
accept: $(OUT)/san/test-ir $(OUT)/abi all ## take what golden tests print now as right; look at the difference
	@ACCEPT=1 $(OUT)/san/test-ir ir_golden
	@$(OUT)/abi doc >docs/abi.md
	@$(OUT)/abi doc2018 >docs/abi2018.md
	@ACCEPT=1 test/command/trace.sh $(OUT) linux

.PHONY: test-bare
test-bare: ## what a newcomer does, in bare Debian systems; takes an hour
	@test/bare.sh $(OUT)

.PHONY: bench
bench: all ## speed of generated code, side by side
	@bench/run.sh $(OUT)

.PHONY: bench-kernel
bench-kernel: all ## what calls of the kernel cost, beside those of Linux
	@bench/kernel/run.sh $(OUT)

.PHONY: bench-gc
bench-gc: all ## structs and arrays beside V8 and Wasmtime (see bench/gc/run.py)
	@bench/gc/run.py $(OUT)

.PHONY: bench-judge
bench-judge: all $(OUT)/judge-cost ## what the verifier costs, beside compiling
	@bench/judge/run.sh $(OUT)

.PHONY: ci
ci: all tests clang ## what .ci/run runs: test, and lint, an analyzer, a build by clang
	@test/run.sh $(OUT) lint unit suite calls programs command wasi hostile metal cpus

.PHONY: lint
lint: ## formatting, layers, lengths, clang-tidy
	@make/lint.sh

.PHONY: analyze
analyze: ## gcc -fanalyzer; make/analyze.txt explains what it may say
	@make/analyze.sh

# The command and the kernel by another compiler, which checks their locks, too;
# its warnings are errors.
.PHONY: clang
clang: ## build with clang, into out/clang
	@$(MAKE) --no-print-directory CC=clang OUT=$(OUT)/clang $(OUT)/clang/nebulet $(OUT)/clang/nebulet.elf

# --- the host command, with the Linux port inside -------------------------------

$(OUT)/host/%.o: % Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(HOST) $(OBJECTS) -c $< -o $@

$(OUT)/host/libnebulet.a: $(call objects,host,$(LINUX))
	@rm -f $@
	@ar rcs $@ $^

$(OUT)/nebulet: $(call objects,host,tool) $(OUT)/host/libnebulet.a
	@echo "  LD $@"; $(CC) -O2 $(WHOLE) $(filter %.o %.a,$^) -o $@ $(LIBS)

# Prints declarations and the manual of the tables in abi/.
$(OUT)/abi: $(OUT)/host/make/abi.c.o $(OUT)/host/make/abi2018.c.o
	@echo "  LD $@"; $(CC) -fno-lto $^ -o $@

# Samples of the instructions that verify/ knows.
$(OUT)/prove-rows: $(patsubst %,$(OUT)/host/%.o,make/prove.c verify/decode.c port/linux/panic.c port/x64/panic.S)
	@echo "  LD $@"; $(CC) -fno-lto $^ -o $@ -lZydis

.PHONY: prove
prove: $(OUT)/prove-rows ## prove with z3 that the rows of verify/forms.def are right
	@make/prove.sh $(OUT)

# What objects define and need, which make lint reads: make/links.awk.
$(OUT)/host.symbols: $(call objects,host,$(LINUX) tool)
	@nm -A $^ >$@

$(OUT)/metal.symbols: $(call objects,metal,$(METAL))
	@nm -A $^ >$@

# --- the same with ASan and UBSan, and the unit tests ----------------------------

$(OUT)/san/%.o: % Makefile
	@mkdir -p $(@D)
	@echo "  CC $< (sanitized)"; $(CC) $(SAN) -c $< -o $@

$(OUT)/san/libnebulet.a: $(call objects,san,$(LINUX))
	@rm -f $@
	@ar rcs $@ $^

# test/NAME/*.c and test/main.c make out/san/test-NAME.
UNITS := base code disk ir kernel port tool verify wasi wasm x64
# What the kernel's tests are in each of their builds.
KERNEL_TESTS := $(filter-out test/kernel/metal.c test/kernel/tsan.c,$(wildcard test/kernel/*.c))
tests_of = $(if $(filter kernel,$(1)),$(KERNEL_TESTS),$(wildcard test/$(1)/*.c))

define unit
$(OUT)/san/test-$(1): $(patsubst %,$(OUT)/san/%.o,$(call tests_of,$(1)) test/main.c) $(OUT)/san/libnebulet.a
	@echo "  LD $$@"; $(CC) $(SAN) $$(WRAP) $$(filter %.o,$$^) $$(filter %.a,$$^) -o $$@ $(LIBS)
endef
$(foreach u,$(UNITS),$(eval $(call unit,$(u))))
$(OUT)/san/test-kernel $(OUT)/san/test-code: $(OUT)/san/test/wasm/help.c.o # modules made in memory
$(OUT)/san/test-kernel: $(OUT)/san/test/latency/latency.c.o

# The kernel's tests under ThreadSanitizer: see test/kernel/tsan.c.  Frames of calls
# are not noted: they would be left behind where a thread is unwound.
TSAN := $(filter-out $(STRUCTS),$(COMMON)) -O1 -D_GNU_SOURCE \
        -fno-omit-frame-pointer -DNEBULET_CHECKED

$(OUT)/tsan/%.o: % Makefile
	@mkdir -p $(@D)
	@echo "  CC $< (thread sanitizer)"; clang $(TSAN) -fsanitize=thread \
	    -mllvm -tsan-instrument-func-entry-exit=0 -c $< -o $@ && \
	    objcopy --rename-section .text=kernel_text $@

$(patsubst %,$(OUT)/tsan/port/x64/%.o,switch.S context.c): TSAN += -Dcontext_switch=bare_context_switch -Dcontext_init=bare_context_init
$(OUT)/tsan/test/kernel/wasm.c.o: TSAN += -Wa,-I$(OUT)/test

$(OUT)/tsan/test/kernel/tsan.c.o: test/kernel/tsan.c Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"; clang $(TSAN) -c $< -o $@

$(OUT)/tsan/libnebulet.a: $(call objects,tsan,$(LINUX))
	@rm -f $@
	@ar rcs $@ $^

$(OUT)/tsan/test-kernel: $(patsubst %,$(OUT)/tsan/%.o,$(KERNEL_TESTS) test/main.c test/kernel/tsan.c test/wasm/help.c test/latency/latency.c) $(OUT)/tsan/libnebulet.a
	@echo "  LD $@"; clang -fsanitize=thread $(LATENCY_WRAP) $(CONSOLE_WRAP) $(SUPPLY_WRAP) -Wl,--wrap=sigaction $(filter %.o %.a,$^) -o $@ $(LIBS)

# Another decoder, which test/verify/*.c compare with.
$(OUT)/san/test-verify: WRAP := -lZydis
$(OUT)/san/test-verify: $(patsubst %,$(OUT)/san/test/%.c.o,wasm/help x64/rows)

# What test/port/switch.c stands for.
$(OUT)/san/test-port: WRAP := -Wl,--wrap=host_call_check

# The file system of user/diskfs, without what only runs in Nebulet.
DISKFS := $(patsubst %,$(OUT)/san/user/diskfs/%.c.o,alloc cache dir file inode journal names rename replay super truncate)
$(OUT)/san/test-disk: $(DISKFS)
$(patsubst %,$(OUT)/san/%.o,$(wildcard test/disk/*.c)): SAN += -Iuser/diskfs

# What is archived while it changes: test/tool/tar.c reads and looks for it.
$(OUT)/san/test-tool: $(OUT)/san/tool/tar.c.o
$(OUT)/san/test-tool: WRAP := -Wl,--wrap=read,--wrap=lstat

# How many steps code takes: a call for each basic block, see test/steps/steps.c.
COUNTED = $(HOST) -fsanitize-coverage=trace-pc -fno-builtin
COUNT_WRAP := -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset,--wrap=memcmp

$(OUT)/counted/%.o: % Makefile
	@mkdir -p $(@D)
	@echo "  CC $< (counted)"; $(CC) $(COUNTED) -c $< -o $@

$(OUT)/san/test-steps: $(call objects,counted,base abi wasm) $(patsubst %,$(OUT)/host/%.o,test/steps/steps.c test/steps/linear.c test/wasm/help.c test/main.c port/linux/panic.c port/x64/panic.S)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(CC) -fno-lto $^ $(COUNT_WRAP) -o $@

# The command, with what test/steps/boot.c watches.
$(OUT)/counted/libnebulet.a: $(call objects,counted,$(LINUX))
	@rm -f $@
	@ar rcs $@ $^

$(OUT)/counted/nebulet: $(call objects,counted,tool) $(patsubst %,$(OUT)/host/%.o,test/steps/steps.c test/steps/boot.c) $(OUT)/counted/libnebulet.a
	@echo "  LD $@"; $(CC) -fno-lto $(filter %.o %.a,$^) $(COUNT_WRAP) -Wl,--wrap=boot_run,--wrap=thread_run_until,--wrap=process_wait,--wrap=types_register_some,--wrap=thread_is_killed -o $@ $(LIBS)

# What test/latency/latency.c watches.
LATENCY_WRAP := -Wl,--wrap=preempt_disable,--wrap=preempt_enable,--wrap=lock \
                -Wl,--wrap=unlock,--wrap=port_interrupts_off \
                -Wl,--wrap=port_interrupts_restore,--wrap=port_idle \
                -Wl,--wrap=context_switch,--wrap=fault_handle \
                -Wl,--wrap=mutex_lock,--wrap=mutex_lock_always \
                -Wl,--wrap=mutex_unlock
# ... and of interrupts, by the port.
LATENCY_METAL := $(LATENCY_WRAP) -Wl,--wrap=trap_handle
# What test/kernel/console.c stands for.
CONSOLE_WRAP := -Wl,--wrap=port_read,--wrap=port_look \
                -Wl,--wrap=port_write,--wrap=port_settle
# What test/kernel/supply.c lets fail, or counts.
SUPPLY := kernel_alloc port_reserve port_reserve_slot port_reserve_open port_release \
          port_code_write port_code_execute port_code_release port_commit port_commit_promised \
          port_promise port_seal port_memory_info handle_new \
          handle_duplicate object_observe account_charge account_alloc \
          account_uncharge verify_tables
SUPPLY_WRAP := $(patsubst %,-Wl$(comma)--wrap=%,$(SUPPLY))
$(OUT)/san/test-kernel: WRAP := $(LATENCY_WRAP) $(CONSOLE_WRAP) $(SUPPLY_WRAP)

# Programs that test/kernel/wasm.c includes as bytes.
KERNEL_WASM := $(patsubst %.wat,$(OUT)/%.wasm,$(wildcard test/kernel/programs/*.wat))

$(KERNEL_WASM): $(OUT)/%.wasm: %.wat Makefile
	@mkdir -p $(@D)
	@echo "  WAT $@"; wat2wasm --debug-names --enable-threads --enable-exceptions \
	    --enable-tail-call $< -o $@

$(patsubst %,$(OUT)/%/test/kernel/wasm.c.o,san tsan checked metal): $(KERNEL_WASM)
$(OUT)/san/test/kernel/wasm.c.o: SAN += -Wa,-I$(OUT)/test
$(OUT)/checked/test/kernel/wasm.c.o: KERNEL += -Wa,-I$(OUT)/test
$(OUT)/metal/test/kernel/wasm.c.o: KERNEL += -Wa,-I$(OUT)/test

$(OUT)/san/nebulet: $(call objects,san,tool) $(OUT)/san/libnebulet.a
	@echo "  LD $@"; $(CC) -fno-lto $(SAN) $(filter %.o %.a,$^) -o $@ $(LIBS)

# What that looks for beside itself.
$(OUT)/san/user/%.wasm: $(OUT)/user/%.wasm
	@mkdir -p $(@D)
	@cp $< $@

# The fuzz targets, which tests feed with the committed inputs.
FUZZ   := decode validate compile tar lines
REPLAY := $(patsubst %,$(OUT)/san/fuzz-%,$(FUZZ))

.PHONY: tests
tests: $(OUT)/nebulet-plain $(patsubst %,$(OUT)/san/test-%,$(UNITS) steps) $(OUT)/san/nebulet $(OUT)/san/user/diskfs.wasm $(OUT)/counted/nebulet $(REPLAY) \
       $(OUT)/linear $(OUT)/mutants $(OUT)/prove-rows $(OUT)/nebulet-test.elf $(OUT)/port-test.elf $(OUT)/kernel-test.elf \
       $(OUT)/whole-test.elf $(OUT)/latency.elf $(OUT)/seeds/gc

.PHONY: unit
unit: $(patsubst %,$(OUT)/san/test-%,$(UNITS) steps) ## run the unit tests under sanitizers
	@for t in $^; do $$t || exit 1; done

# How time and memory of the compiler grow, without sanitizers.
$(OUT)/linear: $(patsubst %,$(OUT)/host/%.o,test/compile/linear.c test/wasm/help.c) $(OUT)/host/libnebulet.a
	@echo "  LD $@"; $(CC) -fno-lto $(filter %.o %.a,$^) -o $@ -lpthread

# What the verifier costs: bench/judge/run.sh.
$(OUT)/judge-cost: $(patsubst %,$(OUT)/host/%.o,bench/judge/cost.c test/wasm/help.c) $(OUT)/host/libnebulet.a
	@echo "  LD $@"; $(CC) -fno-lto $(filter %.o %.a,$^) -o $@ -lpthread

# Random changes to compiled code, of which some run: test/mutants/mutants.c.
$(OUT)/mutants: $(patsubst %,$(OUT)/host/%.o,test/mutants/mutants.c test/mutants/guard.c test/wasm/help.c) $(OUT)/host/libnebulet.a
	@echo "  LD $@"; $(CC) -fno-lto $(filter %.o %.a,$^) -o $@ -lpthread

.PHONY: linear
linear: $(OUT)/linear ## check that compile time and memory are linear
	@$(OUT)/linear

# --- fuzzing: see test/fuzz/README.md -------------------------------------------

T ?= 60

$(OUT)/fuzz-%: test/fuzz/%.c test/fuzz/fuzz.c wasi/tar.c wasi/path.c $(foreach d,$(COMPILER),$(wildcard $(d)/*.c)) Makefile
	@mkdir -p $(@D)
	@echo "  FUZZ $@"; clang -O1 -g -I. -fwrapv -mno-red-zone -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined $(filter %.c,$^) -o $@

# The committed inputs, which tests replay and fuzzing starts from.
$(OUT)/seeds/%: test/fuzz/corpus/%.tar.gz
	@rm -rf $@ && mkdir -p $@ && tar xzmf $< -C $@

# What fuzzing found, reduced; tests replay that, too.
FOUND := $(patsubst test/fuzz/found/%.wat,$(OUT)/found/%.wasm,$(wildcard test/fuzz/found/*.wat))

$(FOUND): $(OUT)/found/%.wasm: test/fuzz/found/%.wat
	@mkdir -p $(@D)
	@echo "  WAT $@"; wat2wasm --enable-all $< -o $@

$(REPLAY): $(OUT)/san/fuzz-%: $(OUT)/san/test/fuzz/%.c.o $(OUT)/san/test/fuzz/fuzz.c.o \
           $(OUT)/san/test/fuzz/replay.c.o $(OUT)/san/libnebulet.a | $(OUT)/seeds/% $(FOUND)
	@echo "  LD $@"; $(CC) -fno-lto $(SAN) $^ -o $@

# The host command with every function compiled in plain mode.
$(OUT)/nebulet-plain: $(call objects,host,tool) $(patsubst %,$(OUT)/host/%.o,test/fuzz/plain.c test/fuzz/heap.c) $(OUT)/host/libnebulet.a
	@echo "  LD $@"; $(CC) -fno-lto $(filter %.o %.a,$^) -Wl,--wrap=module_compile -o $@ $(LIBS)

FUZZ_RUN = $(OUT)/fuzz-$$f -max_len=8192 -timeout=60 -rss_limit_mb=6000

.PHONY: fuzz
fuzz: $(foreach f,$(FUZZ),$(OUT)/fuzz-$(f) $(OUT)/seeds/$(f)) ## fuzz decode, validate, compile, tar, lines; T=seconds each
	@for f in $(FUZZ); do mkdir -p $(OUT)/corpus-$$f; \
	    $(FUZZ_RUN) -max_total_time=$(T) $(OUT)/corpus-$$f \
	        $(OUT)/seeds/$$f $(wildcard $(OUT)/suite/*) || exit 1; done

.PHONY: soak
soak: all tests ## random tests in full (JOBS="NAME...": these); takes hours, goes on where it stopped
	@JOBS="$(JOBS)" test/fuzz/soak.sh $(OUT)

# The fewest inputs that reach the same edges of the code.
.PHONY: corpus
corpus: $(foreach f,$(FUZZ),$(OUT)/fuzz-$(f) $(OUT)/seeds/$(f)) ## keep what fuzzing found, minimised, in the tree
	@for f in $(FUZZ); do rm -rf $(OUT)/merged && mkdir -p $(OUT)/merged $(OUT)/corpus-$$f && \
	    $(FUZZ_RUN) -merge=1 -use_counters=0 $(OUT)/merged $(OUT)/corpus-$$f $(OUT)/seeds/$$f && \
	    tar -C $(OUT)/merged --sort=name --mtime=@0 --owner=0 --group=0 --mode=644 -c . | \
	        gzip -9n >test/fuzz/corpus/$$f.tar.gz || exit 1; done

# --- the kernel -----------------------------------------------------------------------

$(OUT)/metal/%.o: % Makefile
	@mkdir -p $(@D)
	@echo "  CC $< (metal)"; $(CC) $(KERNEL) $(OBJECTS) -c $< -o $@

# An image is linked twice: the second time with the names of its functions.
LD_METAL   = $(CC) -fno-lto -nostdlib -static -Wl,--build-id=none \
             -Wl,-T,port/metal/kernel.ld $(filter %.o %.a,$^) $(1)
define LINK_METAL
	@echo "  LD $@"; $(call LD_METAL,$(1)) -o $@.bare
	@nm -n $@.bare | awk -f make/symbols.awk >$@.s && $(CC) -c $@.s -o $@.symbols
	@$(call LD_METAL,$(1)) $@.symbols -o $@.new && rm -f $@.bare $@.s $@.symbols && mv $@.new $@
endef

$(OUT)/metal/whole.o: $(call objects,metal,$(METAL))
	@echo "  LD $@"; $(CC) $(filter-out -M%,$(KERNEL)) $(WHOLE) $(if $(WHOLE),-flinker-output=nolto-rel) \
	    -nostdlib -r $^ -o $@

$(OUT)/nebulet.elf: $(OUT)/metal/whole.o port/metal/kernel.ld make/symbols.awk
	$(call LINK_METAL)

$(OUT)/metal/libnebulet.a: $(call objects,metal,$(filter-out port/metal,$(METAL)))
	@rm -f $@
	@ar rcs $@ $^

# The same with the checks of NEBULET_CHECKED, for the kernel's own tests.
$(OUT)/checked/%.o: % Makefile
	@mkdir -p $(@D)
	@echo "  CC $< (metal, checked)"; $(CC) $(KERNEL) -DNEBULET_CHECKED -c $< -o $@

$(OUT)/checked/libnebulet.a: $(call objects,checked,$(filter-out port/metal,$(METAL)))
	@rm -f $@
	@ar rcs $@ $^

# The port with a kernel that runs test/metal/*.c: what these define is not
# taken from the library.
PORT_TEST := test/image.c $(wildcard test/metal/*.c) $(call sources,port/metal)

$(OUT)/port-test.elf: $(patsubst %,$(OUT)/checked/%.o,$(PORT_TEST)) $(OUT)/checked/libnebulet.a port/metal/kernel.ld make/symbols.awk
	$(call LINK_METAL)

# The whole kernel with the boot_run of test/suite/boot.c: test scripts instead of
# programs.
SCRIPT_BOOT := test/suite/boot.c $(filter-out %_json.c,$(wildcard tool/script*.c)) $(call sources,port/metal)

$(OUT)/nebulet-test.elf: $(patsubst %,$(OUT)/metal/%.o,$(SCRIPT_BOOT)) $(OUT)/metal/libnebulet.a port/metal/kernel.ld make/symbols.awk
	$(call LINK_METAL)

# The whole kernel with a boot_run that runs test/kernel/*.c, but for what needs
# a C library.
KERNEL_TEST := test/image.c test/kernel/metal.c test/latency/latency.c test/latency/trap.c $(filter-out %/linux.c %/limits.c,$(KERNEL_TESTS)) \
               $(call sources,port/model port/metal)
KERNEL_WRAP := -Wl,--wrap=frames_new,--wrap=frames_take,--wrap=span_new \
               -Wl,--wrap=port_log $(LATENCY_METAL) $(CONSOLE_WRAP) $(SUPPLY_WRAP)

$(OUT)/kernel-test.elf: $(patsubst %,$(OUT)/checked/%.o,$(KERNEL_TEST)) $(OUT)/checked/libnebulet.a port/metal/kernel.ld make/symbols.awk
	$(call LINK_METAL,$(KERNEL_WRAP))

# What ships: the kernel's own objects, optimised as a whole, with those tests
# that stand for nothing (the linker leads no calls elsewhere inside a whole).
$(OUT)/whole-test.elf: $(patsubst %,$(OUT)/metal/%.o,$(KERNEL_TEST)) $(OUT)/metal/libnebulet.a port/metal/kernel.ld make/symbols.awk
	$(call LINK_METAL,$(WHOLE) $(filter-out -M%,$(KERNEL)) $(KERNEL_WRAP))

# The kernel as it is, which counts what keeps others from the CPU.
LATENCY := test/latency/latency.c test/latency/trap.c test/latency/boot.c

$(OUT)/latency.elf: $(call objects,metal,$(METAL)) $(patsubst %,$(OUT)/metal/%.o,$(LATENCY)) port/metal/kernel.ld make/symbols.awk
	$(call LINK_METAL,$(LATENCY_METAL) -Wl$(comma)--wrap=boot_run)

# --- programs ------------------------------------------------------------------

-include user/rules.mk

# --- for users -------------------------------------------------------------------

PREFIX ?= /usr/local
export PREFIX DESTDIR

.PHONY: install uninstall deb
install: all ## install command, kernel, manual page, completions below DESTDIR and PREFIX
	@make/install.sh $(OUT) install

uninstall: ## remove what install put there
	@make/install.sh $(OUT) uninstall

deb: all ## make a Debian package
	@make/deb.sh $(OUT)

.PHONY: clean help
clean: ## remove everything that was built
	rm -rf $(OUT)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile user/rules.mk | expand -t 20

-include $(shell find $(OUT) -type f -name '*.d' 2>/dev/null)
