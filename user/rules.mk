# user/rules.mk: one folder in user/ is one program, OUT/user/FOLDER.wasm.  Its
# main file says how it is built: main.c (with the folder's other .c files and
# a library), main.cc, main.rs (with the crate sip) or main.wat.  Folders
# without one are special: sip (the Rust crate), lib* (libraries for C) and
# traps (each file is a program, OUT/user/traps/FILE.wasm).

WASM_CC    := clang --target=wasm32-wasi
WASM_CXX   := clang++ --target=wasm32-wasi
WASM_RUSTC := /usr/bin/rustc --edition 2021 --target wasm32-wasi \
              -C strip=debuginfo
WASM_FLAGS := -O2 -Wall -Wextra -Werror -MMD -MP

# LIB_folder is the library of a C program.  FLAGS_folder are flags for the
# compiler, LINK_folder for the linker.
LIB   := libsip
SJLJ  := -mllvm -wasm-enable-sjlj -mexception-handling
SHARE := -matomics -mbulk-memory -ftls-model=local-exec

LIB_init         := libposix
LIB_ps2          := libposix
LIB_random       := libposix
LIB_shell        := libposix
LIB_spawn        := libposix
LIB_tools        := libposix
LIB_libposix     := libposix
LINK_init        := -Wl,--strip-debug
# Stack for commands in commands, as deep as the shell lets them be.
LINK_shell       := -Wl,--strip-debug,-z,stack-size=1048576
LINK_ninep       := -Wl,--strip-debug
LINK_diskfs      := -Wl,--strip-debug
LINK_tools       := -Wl,--strip-debug
LIB_setjmp       := libsetjmp
LIB_libsetjmp    := libsetjmp
FLAGS_setjmp     := $(SJLJ)
FLAGS_libsetjmp  := $(SJLJ)

LIB_pthreads     := libpthread
LIB_libpthread   := libpthread
FLAGS_pthreads   := $(SHARE)
FLAGS_libpthread := $(SHARE)
LINK_pthreads    := -nostartfiles -Wl,--shared-memory,--import-memory,--max-memory=16777216 \
                    -Wl,--no-check-features -Wl,--wrap=malloc,--wrap=free \
                    -Wl,--wrap=calloc,--wrap=realloc

# user/netd is built with lwIP, which make/lwip.sh fetches; where it cannot, that
# is one line, and there is no netd.wasm.
LWIP    := $(OUT)/lwip
LWIP_C  := $(foreach f,def inet_chksum init ip mem memp netif pbuf tcp tcp_in tcp_out timeouts udp \
             ipv4/dhcp ipv4/etharp ipv4/icmp ipv4/ip4 ipv4/ip4_addr ipv4/ip4_frag,src/core/$(f).c) \
           src/netif/ethernet.c
LWIP_I  := -Iuser/netd -isystem $(LWIP)/src/include
NETD    := $(OUT)/user/netd.made

folder_of    = $(firstword $(subst /, ,$(1)))
lib_of       = $(or $(LIB_$(call folder_of,$(1))),$(LIB))

programs_of  = $(patsubst user/%/main.$(1),$(OUT)/user/%.wasm,$(wildcard user/*/main.$(1)))
objects_of   = $(patsubst user/%,$(OUT)/user/obj/%.o,$(wildcard $(1)))
USER_TRAPS  := $(patsubst user/%.c,$(OUT)/user/%.wasm,$(wildcard user/traps/*.c))

# The files of the shell's system, for `nebulet shell`: OUT/system is its root.
# Each tool is a link to one program.
SYSTEM := $(OUT)/system.made
TOOLS   = $(shell awk -F'[^a-z]+' '/^ *TOOL.[a-z]*, "/ { print $$2 }' user/tools/tools.h)

.PHONY: programs
programs: $(foreach kind,c cc rs wat,$(call programs_of,$(kind))) $(USER_TRAPS) $(SYSTEM) ## build the programs of user/

$(SYSTEM): $(foreach p,init random shell tools,$(OUT)/user/$(p).wasm) user/tools/tools.h $(wildcard user/init/root/etc/*) user/rules.mk
	@rm -rf $(OUT)/system && mkdir -p $(OUT)/system/bin $(OUT)/system/dev $(OUT)/system/tmp
	@echo "  SYSTEM $(OUT)/system"; cp -r user/init/root/etc $(OUT)/system
	@for p in init random shell tools; do cp $(OUT)/user/$$p.wasm $(OUT)/system/bin/$$p; done
	@for t in $(TOOLS); do ln -s tools $(OUT)/system/bin/$$t; done
	@ln -s shell $(OUT)/system/bin/sh; touch $@

# What `nebulet sysroot` puts over Debian's wasi-libc: headers and archives of the
# libraries, and files with the flags that they need (OUT/sysroot).
ROOT_LIBS := libposix libpthread libsetjmp libsip
SYSROOT   := $(OUT)/sysroot.made
ROOT_H    := $(foreach l,$(ROOT_LIBS),$(filter-out %/internal.h,$(wildcard user/$(l)/*.h user/$(l)/*/*.h)))

programs: $(SYSROOT)
$(SYSROOT): $(foreach l,$(ROOT_LIBS),$(patsubst user/%,$(OUT)/user/obj/%.o,$(wildcard user/$(l)/*.[cs]))) $(ROOT_H) $(wildcard user/sysroot/*) $(OUT)/user/include/nebulet.h user/rules.mk
	@rm -rf $(OUT)/sysroot && mkdir -p $(OUT)/sysroot/include/wasm32-wasi/sys $(OUT)/sysroot/lib/wasm32-wasi
	@echo "  SYSROOT $(OUT)/sysroot"; cp user/sysroot/*.cfg $(OUT)/sysroot
	@for h in $(ROOT_H); do cp $$h $(OUT)/sysroot/include/wasm32-wasi/$${h#user/*/}; done
	@cp $(OUT)/user/include/nebulet.h $(OUT)/sysroot/include/wasm32-wasi
	@for l in $(ROOT_LIBS); do llvm-ar rcsD $(OUT)/sysroot/lib/wasm32-wasi/$$l.a $(OUT)/user/obj/$$l/*.c.o || exit 1; done
	@wasm-ld -r $(OUT)/user/obj/libpthread/*.o -o $(OUT)/user/obj/libpthread.o # nobody asks for start.s by name
	@cd $(OUT) && rm sysroot/lib/wasm32-wasi/libpthread.a && llvm-ar rcsD sysroot/lib/wasm32-wasi/libpthread.a user/obj/libpthread.o && touch $(abspath $@)

# The kernel's calls, as abi/syscalls.def has them.
KERNEL_C    := $(OUT)/user/include/nebulet.h
KERNEL_RUST := $(OUT)/user/include/nebulet.rs
KERNEL_2018 := $(OUT)/user/include/nebulet2018.h

$(KERNEL_C) $(KERNEL_RUST) $(KERNEL_2018): $(OUT)/abi
	@mkdir -p $(@D)
	@echo "  ABI $@"; $(OUT)/abi $(if $(filter %.rs,$@),rust,$(if $(filter %2018.h,$@),c2018,c)) >$@.new && mv $@.new $@

$(OUT)/user/obj/%.c.o: user/%.c user/rules.mk | $(KERNEL_C) $(KERNEL_2018)
	@mkdir -p $(@D)
	@echo "  CC $< (wasm)"; $(WASM_CC) -std=gnu11 $(WASM_FLAGS) $(FLAGS_$(call folder_of,$*)) -I$(OUT)/user/include -Iuser/$(call lib_of,$*) -c $< -o $@

$(OUT)/user/obj/%.s.o: user/%.s user/rules.mk
	@mkdir -p $(@D)
	@echo "  AS $< (wasm)"; $(WASM_CC) $(filter -m%,$(FLAGS_$(call folder_of,$*))) -c $< -o $@

$(OUT)/user/obj/%.cc.o: user/%.cc user/rules.mk
	@mkdir -p $(@D)
	@echo "  CXX $< (wasm)"; $(WASM_CXX) -std=c++17 -fno-exceptions $(WASM_FLAGS) -c $< -o $@

# One with line numbers.
$(OUT)/user/obj/traps/memory.c.o: WASM_FLAGS += -g

# Linked without -O: with it, clang lets wasm-opt drop the names where binaryen
# is installed.
$(USER_TRAPS): $(OUT)/user/%.wasm: $(OUT)/user/obj/%.c.o
	@mkdir -p $(@D)
	@echo "  LD $@"; $(WASM_CC) $^ -o $@

programs: $(NETD)
$(NETD): $(wildcard user/netd/*.[ch] user/netd/arch/*.h) make/lwip.sh user/rules.mk $(KERNEL_C)
	@mkdir -p $(OUT)/user/obj/netd; rm -f $(OUT)/user/netd.wasm; make/lwip.sh $(LWIP) || exit 0; \
	echo "  LD $(OUT)/user/netd.wasm"; \
	for f in $(LWIP_C); do $(WASM_CC) -O2 -w $(LWIP_I) -c $(LWIP)/$$f -o $(OUT)/user/obj/netd/$$(basename $$f).o || exit 1; done; \
	for f in user/netd/*.c; do $(WASM_CC) -std=gnu11 $(filter-out -MMD -MP,$(WASM_FLAGS)) $(LWIP_I) -I$(OUT)/user/include -c $$f -o $(OUT)/user/obj/netd/our-$$(basename $$f).o || exit 1; done; \
	$(WASM_CC) $(OUT)/user/obj/netd/*.o -Wl,--strip-debug -o $(OUT)/user/netd.wasm && touch $@

.SECONDEXPANSION:

$(call programs_of,c): $(OUT)/user/%.wasm: $$(call objects_of,user/$$*/*.c user/$$(call lib_of,$$*)/*.[cs])
	@echo "  LD $@"; $(WASM_CC) $^ $(LINK_$*) -o $@

$(call programs_of,cc): $(OUT)/user/%.wasm: $$(call objects_of,user/$$*/*.cc)
	@echo "  LD $@"; $(WASM_CXX) $^ -o $@

$(call programs_of,rs): $(OUT)/user/%.wasm: $(OUT)/user/libsip.rlib $$(wildcard user/$$*/*.rs)
	@echo "  RUSTC $@"; $(WASM_RUSTC) -D warnings -O --crate-name $(subst -,_,$*) \
	    --extern sip=$< user/$*/main.rs -o $@

$(call programs_of,wat): $(OUT)/user/%.wasm: user/%/main.wat user/rules.mk
	@mkdir -p $(@D)
	@echo "  WAT $@"; wat2wasm --debug-names $< -o $@

$(OUT)/user/libsip.rlib: $(wildcard user/sip/*.rs) $(KERNEL_RUST) user/rules.mk
	@mkdir -p $(@D)
	@echo "  RUSTC $@"; KERNEL_RUST=$(abspath $(KERNEL_RUST)) $(WASM_RUSTC) -D warnings -O --crate-type rlib --crate-name sip \
	    user/sip/lib.rs -o $@
