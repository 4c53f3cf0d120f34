# tilt: every program is one C file and the headers it includes, so this Makefile only finds out what the compiler can do
# and calls it.  `make` or `make help` shows the menu.  Without make, from this folder:
#     cc -std=c99 -O2 -ffp-contract=off tutorial/ch01_first_light/ch01.c -lm -o ch01
# GNU make 3.81 or newer.  Nothing is downloaded; outputs go to build/ and out/, which git ignores.

# ---- what you may set: make CC=clang OMP= ARCHFLAGS= CFLAGS=-O1 FAST=1 SAN=1 BUILD=build/mine ---------------------------

BUILD ?= build
ifeq ($(origin CC),default)
CC := $(shell for c in gcc cc clang tcc; do command -v $$c; done 2>/dev/null | head -n 1 | sed 's:.*/::')
endif

# ---- what the compiler can do: found by compiling and linking, once per compiler, kept in build/config-*.mk -------------

CONFIG := build/config-$(shell echo '$(CC)' | tr -c 'A-Za-z0-9.\n' '_' | tail -n 1).mk
ifneq ($(filter-out clean format,$(if $(MAKECMDGOALS),$(MAKECMDGOALS),help)),)
-include $(CONFIG)
endif

# -march=native changes the speed, not the bits, as long as contraction into fused multiply-adds stays off.
ifeq ($(origin ARCHFLAGS),undefined)
ARCHFLAGS := $(HAVE_ARCH)
endif
ifeq ($(origin OMP),undefined)
OMP := $(HAVE_OMP)
endif
# The simd pragmas alone (no threads) where OpenMP is missing or switched off.
ifeq ($(strip $(OMP)),)
SIMD ?= $(HAVE_SIMD)
endif
ifeq ($(origin CFLAGS),undefined)
CFLAGS := $(if $(SAN),-O1 -g,-O3)
endif
WARN := -Wall -Wextra -Wvla -pedantic
EXACT := $(HAVE_EXACT) $(HAVE_FLOAT)
ifneq ($(strip $(FAST)),)
CONTRACT := $(patsubst -ffp-contract=off,-ffp-contract=fast,$(filter -ffp-contract=off,$(EXACT)))
ifneq ($(CONTRACT),)
$(info FAST=1: fused multiply-adds in chapters and tools; hashes differ, numbers are compared by tolerance)
else
$(info FAST=1: $(CC) has no such switch; nothing changes)
endif
endif
ifneq ($(strip $(SAN)),)
EXACT += $(HAVE_SAN)
endif
FLAGS = -std=c99 $(WARN) $(CFLAGS) $(EXACT) $(CONTRACT) $(ARCHFLAGS) $(SIMD)
# OMP comes after the source, so that it may hold a library (macOS: OMP="-Xclang -fopenmp -lomp").
COMPILE = $(CC) $(FLAGS) $< -o $@ $(OMP) -lm

# A file that holds the whole command line and the machine; it changes when they do, and then everything is built again.
ifdef CONFIGURED
MACHINE := $(shell uname -sm 2>/dev/null; sed -n '/^model name/{p;q;}' /proc/cpuinfo 2>/dev/null)
STAMP := $(BUILD)/command-line
$(shell mkdir -p $(BUILD)/tests out; echo '$(CC) $(FLAGS) $(OMP) $(MACHINE)' >$(STAMP).$$PPID; \
    cmp -s $(STAMP).$$PPID $(STAMP) && rm -f $(STAMP).$$PPID || mv $(STAMP).$$PPID $(STAMP))
endif

# ---- what there is -------------------------------------------------------------------------------------------------------

HEADERS := $(wildcard ref/*/*.h toy/*/*.h tests/*.h tutorial/*/*.h notebooks-c/*.h)
CHAPTERS := $(sort $(wildcard tutorial/ch??_*/ch??.c))
NAMES := $(notdir $(basename $(CHAPTERS)))
TESTS := $(sort $(notdir $(basename $(wildcard tests/test_*.c))))
TOOLS := $(if $(wildcard ref/ledger.c),ledger) $(if $(wildcard notebooks-c/nb.c),nb) $(if $(wildcard toy/train_images.c),train_images) $(if $(wildcard toy/unet_cuda.c),unet_cuda)
# CH=9, CH=09 and CH=ch09 all mean chapter 9.
CH ?= 1
NN := $(shell echo '$(CH)' | sed 's/^ch//; s/^.$$/0&/')
CHAPTER = $(firstword $(wildcard tutorial/ch$(NN)_*/ch$(NN).c))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run all flags $(NAMES) train_images unet_cuda chapters tests tests-float tests-double test ledger notebooks mutants \
        claims bits san expect pictures debug gdb-kernel cuda cuda-plain cuda-check cuda-bench one format clean table bench bench-tile bench-peers seeds

# ---- programs ------------------------------------------------------------------------------------------------------------

define chapter_rule
$(BUILD)/$(notdir $(basename $(1))): $(1) $(HEADERS) $(STAMP)
	$$(COMPILE)
$(notdir $(basename $(1))): $(BUILD)/$(notdir $(basename $(1)))
endef
$(foreach c,$(CHAPTERS),$(eval $(call chapter_rule,$(c))))

$(BUILD)/ledger: ref/ledger.c $(HEADERS) $(STAMP)
	$(COMPILE) -Dreal=double

$(BUILD)/nb: notebooks-c/nb.c $(HEADERS) $(STAMP)
	$(COMPILE)

$(BUILD)/train_images: toy/train_images.c $(HEADERS) $(STAMP)
	$(COMPILE)
train_images: $(BUILD)/train_images
	@echo 'built $<; its options: $< --help'

# It measures too, so it knows the flags it was compiled with.
$(BUILD)/unet_cuda: toy/unet_cuda.c $(HEADERS) $(STAMP)
	$(COMPILE) -DBENCH_FLAGS='"$(strip $(CFLAGS) $(EXACT) $(CONTRACT) $(ARCHFLAGS) $(OMP))"'
unet_cuda: $(BUILD)/unet_cuda
	@echo 'built $<; its commands: $< --help'

# ---- a GPU (optional) --------------------------------------------------------------------------------------------------------

# make cuda: build/cuda/unet_cuda, the program of build/unet_cuda with the executors `plain`, `fast` and (sm_90a) `hopper`
# of a GPU.  The C99 part is compiled by CC as always; nvcc compiles two files, which need no C++ library.  ARCH=sm_80 names
# the architecture; without it, it is that of the first GPU, or sm_80 where there is none.  NVCC= and NVCCFLAGS= as you like.
ifneq ($(filter cuda cuda-plain $(BUILD)/cuda/%,$(MAKECMDGOALS)),)
ifeq ($(strip $(NVCC)),)
NVCC := $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard $(CUDA_HOME)/bin/nvcc /usr/local/cuda/bin/nvcc))
endif
ifeq ($(filter sm_%,$(ARCH)),)
override ARCH := sm_$(or $(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | \
    sed -n '1s/^\([0-9][0-9]*\)\.\([0-9]\)$$/\1\2/p'),80)
endif
# Warpgroup products exist on Hopper alone, and only under the name 90a.
GPU := $(patsubst 90,90a,$(patsubst sm_%,%,$(ARCH)))
# nvcc itself says where its libraries are: it may be a script far from them.
CUDA_LIB := $(if $(NVCC),$(shell $(NVCC) -dryrun any.cu 2>&1 | sed -n 's/^\#\$$ LIBRARIES= *//p'))
NVCC_ALL = $(NVCC) -std=c++17 -gencode=arch=compute_$(GPU),code=sm_$(GPU) $(if $(filter 90a,$(GPU)),-DTILT_HOPPER) \
    -Xcompiler -Wall,-Wextra,-fno-threadsafe-statics,-fno-exceptions $(NVCCFLAGS)
$(shell mkdir -p $(BUILD)/cuda; echo '$(NVCC_ALL)' >$(BUILD)/cuda/line.$$PPID; \
    cmp -s $(BUILD)/cuda/line.$$PPID $(BUILD)/cuda/command-line && rm -f $(BUILD)/cuda/line.$$PPID || \
    mv $(BUILD)/cuda/line.$$PPID $(BUILD)/cuda/command-line)
endif
NO_NVCC = $(error make cuda needs nvcc, and it is not on PATH, in CUDA_HOME/bin or in /usr/local/cuda/bin; everything \
    else works without it, `make unet_cuda` too)
CUDA_OBJECTS := $(BUILD)/cuda/unet_plain.o $(BUILD)/cuda/unet_fast.o

$(BUILD)/cuda/unet_plain.o: toy/model/unet_plain.cu $(HEADERS) $(BUILD)/cuda/command-line
	$(if $(NVCC),,$(NO_NVCC))$(NVCC_ALL) -O2 -fmad=false -c $< -o $@
$(BUILD)/cuda/unet_fast.o: toy/model/unet_fast.cu $(HEADERS) $(BUILD)/cuda/command-line
	$(if $(NVCC),,$(NO_NVCC))$(NVCC_ALL) -O3 -c $< -o $@
CUDA_LINK = $(CC) $(FLAGS) -DTILT_CUDA $(if $(filter 90a,$(GPU)),-DTILT_HOPPER) $(1) $< $(CUDA_OBJECTS) -o $@ $(OMP) $(CUDA_LIB) -lcudart_static -ldl -lrt -lpthread -lm
$(BUILD)/cuda/unet_cuda: toy/unet_cuda.c $(CUDA_OBJECTS) $(STAMP)
	$(call CUDA_LINK,-DBENCH_FLAGS='"$(strip $(CFLAGS) $(EXACT) $(CONTRACT) $(ARCHFLAGS) $(OMP)) sm_$(GPU)"')
$(BUILD)/cuda/dump_unet: tests/dump_unet.c $(CUDA_OBJECTS) $(STAMP)
	$(CUDA_LINK)
cuda-plain: $(BUILD)/cuda/unet_plain.o
cuda: $(BUILD)/cuda/unet_cuda $(BUILD)/cuda/dump_unet
	@echo 'built $< for sm_$(GPU); its commands: $< --help'
cuda-check cuda-bench:
	@sh tests/cuda.sh $(@:cuda-%=%)

# Unit tests check identities of the bits: never contracted.  -O1 compiles them in half the time of -O3; that the level
# changes no bit is what `make bits` shows.  clang wants -O2: at -O1 it warns about every simd loop that it leaves alone.
$(BUILD)/tests/test_%: CONTRACT :=
$(BUILD)/tests/test_%: CFLAGS := $(if $(HAVE_CLANG),-O2,-O1)

# A benchmark prints the flags it was compiled with.
$(BUILD)/tests/bench_%.float: tests/bench_%.c $(HEADERS) $(STAMP)
	$(COMPILE) -Dreal=float -DBENCH_FLAGS='"$(strip $(CFLAGS) $(EXACT) $(CONTRACT) $(ARCHFLAGS) $(OMP))"'

$(BUILD)/tests/%.float: tests/%.c $(HEADERS) $(STAMP)
	$(COMPILE) -Dreal=float

$(BUILD)/tests/%.double: tests/%.c $(HEADERS) $(STAMP)
	$(COMPILE) -Dreal=double

chapters: $(addprefix $(BUILD)/,$(NAMES))
flags: $(STAMP)
all: chapters $(addprefix $(BUILD)/,$(TOOLS))
tests-float: $(addprefix $(BUILD)/tests/,$(addsuffix .float,$(TESTS)))
tests-double: $(addprefix $(BUILD)/tests/,$(addsuffix .double,$(TESTS)))
tests: tests-float tests-double

# ---- the menu --------------------------------------------------------------------------------------------------------------

help: build/nvcc.txt
	@echo 'tilt: how diffusion models are aligned, in C you can step through'
	@echo
	@echo '  make run          chapter 1: build it, train it, draw it (make run CH=9 for another chapter)'
	@echo '  make ch09         build one chapter as build/ch09 (here: $(if $(NAMES),$(NAMES),none yet))'
	@echo '  make all          every chapter and tool'
	@echo '  make train_images build/train_images: pretrain a net on any world; survives kill -9, goes on with --resume'
	@echo '  make cuda         build/cuda/unet_cuda: the same with the kernels for a GPU (needs nvcc; ARCH=sm_80, sm_90a ...)'
	@echo '  make cuda-check   on a machine with a GPU: its kernels against the CPU, and PyTorch; make cuda-bench: times'
	@echo '  make unet_cuda    build/unet_cuda: pretrain, sample, reward, pg, dpo, check, bench of a UNet, on the CPU or a GPU'
	@echo '  make test         all tests; the last line is "N passed, 0 failed"'
	@echo '  make debug CH=1   build for gdb (-Og -g3) and print the line that starts it'
	@echo '  make gdb-kernel   one thread of a GPU kernel, as C under gdb: prints the line that stops in it'
	@echo '  make one CH=9     the chapter and its headers as one file, build/one/ch09.c'
	@echo '  make ledger       build/ledger: every formula, its source and its checks'
	@echo '  make table        write the formula table of CHAPTERS.md again'
	@echo '  make notebooks    run and render the labs of notebooks-c/'
	@echo '  make claims       recompute every number the text states'
	@echo '  make mutants      break the formulas on purpose; a test must notice each time'
	@echo '  make bits         one hash for every compiler, level and thread count'
	@echo '  make expect       compare the --quick output of every chapter with tests/expect/'
	@echo '  make san          the unit tests in double, under the address and undefined-behaviour sanitizers'
	@echo '  make bench        speed of products, convolutions and networks beside the peak of this machine, as JSON lines'
	@echo '  make bench-peers  the same networks in PyTorch beside ours, if python3-torch is there: a table with ratios'
	@echo '  make seeds        chapter 1 with seeds 1 to 5, as data/bench/ch01_seeds.tsv'
	@echo '  make pictures     draw the pictures of the chapters again'
	@echo '  make format       clang-format;  make clean removes build/ and out/'
	@echo
	@echo '  set CC= OMP= ARCHFLAGS= CFLAGS= BUILD=, FAST=1 (fused multiply-adds), SAN=1 (sanitizers)'
	@echo
	@echo 'found on this machine (probes are compiled and linked; kept in $(CONFIG))'
	@echo '  compiler          $(CC)  $(shell command -v $(firstword $(CC)) 2>/dev/null)'
	@echo '  its version       '"$$($(CC) --version 2>/dev/null | head -n 1 | grep . || $(CC) -v 2>&1 | head -n 1)"
	@echo '  -march=native     $(if $(HAVE_ARCH),yes,no)'
	@echo '  OpenMP            $(if $(HAVE_OMP),yes: $(HAVE_OMP),no: one thread)'
	@echo '  simd pragma       $(if $(HAVE_SIMD),yes: $(HAVE_SIMD),no)'
	@echo '  exact arithmetic  $(if $(HAVE_EXACT)$(HAVE_FLOAT),$(HAVE_EXACT) $(HAVE_FLOAT),the compiler has no flags for it and needs none)'
	@echo '  sanitizers        $(if $(HAVE_SAN),yes,no)'
	@echo '  nvcc              '"$$(cat build/nvcc.txt)"
	@echo '  flags in use      $(FLAGS) $(OMP)'

$(NAMES):
	@echo 'built $(BUILD)/$@; its options: $(BUILD)/$@ --help'

# Passive: an OpenMP thread that waits for a busy processor must sleep, not spin; on a loaded machine that is 5 times faster.
run: $(BUILD)/ch$(NN)
	OMP_WAIT_POLICY=$${OMP_WAIT_POLICY:-passive} $(BUILD)/ch$(NN)

ledger: $(BUILD)/ledger
	$(BUILD)/ledger list

# The formula table of CHAPTERS.md, between its two marks.
table: $(BUILD)/ledger
	@$(BUILD)/ledger table >$(BUILD)/table.md
	@awk '/^<!-- formulas: begin -->/ { print; while ((getline row < "$(BUILD)/table.md") > 0) print row; skip = 1; next } \
	    /^<!-- formulas: end -->/ { skip = 0 } !skip' CHAPTERS.md >$(BUILD)/CHAPTERS.md
	@cmp -s $(BUILD)/CHAPTERS.md CHAPTERS.md || cp $(BUILD)/CHAPTERS.md CHAPTERS.md

# ---- looking inside ----------------------------------------------------------------------------------------------------------

# One thread and -Og: statements stay in order and variables stay visible; the numbers are those of the fast build.
debug:
	@test -n '$(CHAPTER)' || { echo 'no chapter $(NN); there is: $(NAMES)'; exit 2; }
	@mkdir -p build/debug out
	$(CC) -std=c99 $(WARN) -Og -g3 $(HAVE_EXACT) $(HAVE_FLOAT) $(CHAPTER) -o build/debug/ch$(NN) -lm
	@echo 'gdb $(if $(wildcard ref/show/tilt.gdb),-x ref/show/tilt.gdb )--args build/debug/ch$(NN) --quick'

# One thread of a GPU kernel in gdb, on this machine: the same source, with a loop for the launch.
gdb-kernel:
	@mkdir -p build/debug
	$(CC) -std=c99 $(WARN) -O0 -g3 $(HAVE_EXACT) $(HAVE_FLOAT) ref/cuda/gdb_kernel.c -o build/debug/gdb_kernel -lm
	@build/debug/gdb_kernel >build/debug/gdb_kernel.txt && sed '$$d' build/debug/gdb_kernel.txt
	@echo "gdb -ex 'break plain_conv_thread if $$(sed -n '$$s/ / == /p' build/debug/gdb_kernel.txt)' -ex run build/debug/gdb_kernel"

# Every local header once, at its first #include, in the order a compiler would meet it.
define AMALGAMATE
function tidy(path) {
    while (match(path, /[^\/.][^\/]*\/\.\.\//))
        path = substr(path, 1, RSTART - 1) substr(path, RSTART + RLENGTH)
    return path
}
function folder(path) {
    return match(path, /.*\//) ? substr(path, 1, RLENGTH) : ""
}
function emit(path,    line, name) {
    print "// ---- " path " ----"
    while ((getline line < path) > 0) {
        if (line ~ /^[ \t]*#[ \t]*include[ \t]*"/) {
            name = line
            sub(/^[^"]*"/, "", name)
            sub(/".*/, "", name)
            name = tidy(folder(path) name)
            if (!(name in seen)) {
                seen[name] = 1
                emit(name)
            }
        } else
            print line
    }
    close(path)
}
BEGIN {
    print "// " source " and the headers it includes, as one file.  Build it alone:"
    print "//     cc -std=c99 -O2 -ffp-contract=off THIS_FILE -lm"
    emit(source)
}
endef
export AMALGAMATE

one:
	@test -n '$(CHAPTER)' || { echo 'no chapter $(NN); there is: $(NAMES)'; exit 2; }
	@mkdir -p build/one
	@awk -v source='$(CHAPTER)' "$$AMALGAMATE" >build/one/ch$(NN).c
	cd build/one && $(CC) -std=c99 $(WARN) $(HAVE_ONE) -O2 $(HAVE_EXACT) $(HAVE_FLOAT) ch$(NN).c -o ch$(NN) -lm
	@echo 'build/one/ch$(NN).c builds alone: '"$$(wc -l <build/one/ch$(NN).c | tr -d ' ')"' lines'

# ---- tests -------------------------------------------------------------------------------------------------------------------

# The scripts of tests/ call make again for what they need; these names travel with them.
export CC BUILD CFLAGS ARCHFLAGS OMP FAST ARCH NVCC NVCCFLAGS
export TILT_MAKE := $(MAKE)
export TILT_EXACT := $(HAVE_EXACT) $(HAVE_FLOAT)
export TILT_SAN := $(HAVE_SAN)

test:
	@sh tests/run.sh
claims bits expect:
	@sh tests/$@.sh
mutants:
	@sh tests/mutants.sh && sh tests/emulate.sh
san:
	@sh tests/run.sh unit-double
# Chapter 1 with five seeds: the rows of data/bench/ch01_seeds.tsv.
seeds: $(BUILD)/ch01
	@mkdir -p $(BUILD)/seeds
	@for s in 1 2 3 4 5; do $(BUILD)/ch01 --seed $$s --out $(BUILD)/seeds >$(BUILD)/seeds/$$s.txt; done
	@printf 'key\tseed_1\tseed_2\tseed_3\tseed_4\tseed_5\n'
	@for key in ring_pg_closed ring_dpo_closed ring_best_of_4_closed digits_pg_closed digits_dpo_closed digits_best_of_4_closed; do \
	    printf '%s' $$key; for s in 1 2 3 4 5; do sed -n "s/^$$key /\t/p" $(BUILD)/seeds/$$s.txt | tr -d '\n'; done; echo; \
	done
# Speed, as JSON lines.  bench-tile alone is the guard: exit 1 when the register tile is not in registers any more.
# bench-peers runs the same networks in PyTorch beside ours (ROUNDS=5 QUICK=1 OUT=file.jsonl).
BENCHES := tile conv mlp unet
bench: $(foreach b,$(BENCHES),$(BUILD)/tests/bench_$(b).float)
	@for b in $(BENCHES); do $(BUILD)/tests/bench_$$b.float || exit 1; done
bench-tile: $(BUILD)/tests/bench_tile.float
	@$<
bench-peers: $(addprefix $(BUILD)/tests/,bench_mlp.float bench_unet.float dump_unet.double)
	@sh tests/peers/run.sh
notebooks: $(BUILD)/nb
	@for lab in $(filter-out notebooks-c/nb.c,$(wildcard notebooks-c/*.c)); do echo "$$lab"; $(BUILD)/nb "$$lab" || exit 1; done
pictures:
	@sh tests/house.sh --pictures

format:
	clang-format -i ref/*/*.h ref/*.c toy/*/*.h toy/*.c tests/*.[ch] $(CHAPTERS) $(wildcard tutorial/*/ex?.c) \
	    $(wildcard notebooks-c/*.c)

clean:
	rm -rf build out

# ---- probes ------------------------------------------------------------------------------------------------------------------

# try FILE FLAGS...: does it compile and link, without a word more than the empty program costs?
$(CONFIG): Makefile
	@mkdir -p $@.d out && rm -f $@.d/*
	@echo 'int main(void) { return 0; }' >$@.d/empty.c
	@printf '#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n' >$@.d/omp.c
	@printf 'int main(void) {\n    int i, a[8];\n_Pragma("omp simd")\n    for (i = 0; i < 8; i++) {\n' >$@.d/simd.c
	@printf '        a[i] = i;\n    }\n    return a[0];\n}\n' >>$@.d/simd.c
	@printf '#include <float.h>\n#if FLT_EVAL_METHOD != 0\n#error extra digits\n#endif\n' >$@.d/float.c
	@echo 'int main(void) { return 0; }' >>$@.d/float.c
	@printf '#ifndef __clang__\n#error another compiler\n#endif\nint main(void) {\n    return 0;\n}\n' >$@.d/clang.c
	@printf '#include <stdlib.h>\nint main(int n, char **v) {\n    char *p = malloc(1);\n    (void)v;\n' >$@.d/san.c
	@printf '    return p ? p[n] = 0 : 1;\n}\n' >>$@.d/san.c
	@cd $@.d && words=$$($(CC) empty.c -o p -lm 2>&1); \
	try() { \
	    source=$$1; shift; said=$$($(CC) $$source -o p "$$@" -lm 2>&1) && test "$$said" = "$$words"; \
	}; \
	each() { \
	    for flag in "$$@"; do try empty.c $$flag && printf ' %s' $$flag; done; \
	}; \
	{ \
	    echo 'CONFIGURED := 1'; \
	    echo "HAVE_ARCH :=$$(each -march=native)"; \
	    try omp.c -fopenmp && echo 'HAVE_OMP := -fopenmp'; \
	    try simd.c -fopenmp-simd && echo 'HAVE_SIMD := -fopenmp-simd -DTILT_SIMD'; \
	    echo "HAVE_EXACT :=$$(each -ffp-contract=off -fno-math-errno)"; \
	    try float.c || { \
	        if try float.c -msse2 -mfpmath=sse; then echo 'HAVE_FLOAT := -msse2 -mfpmath=sse'; \
	        elif try empty.c -fexcess-precision=fast; then echo 'HAVE_FLOAT := -fexcess-precision=fast'; fi; \
	    }; \
	    try clang.c && echo 'HAVE_CLANG := 1'; \
	    echo "HAVE_ONE :=$$(each -Wno-unused-function -Wno-unused-const-variable)"; \
	    set -- -fsanitize=address,undefined -fno-sanitize-recover=all; \
	    try empty.c "$$@" && ./p >/dev/null 2>&1 && try san.c "$$@" && ! ./p >/dev/null 2>&1 && \
	        echo 'HAVE_SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'; \
	    true; \
	} >config
	@mv $@.d/config $@ && rm -rf $@.d

# Only the menu asks for nvcc: the probe takes seconds.
build/nvcc.txt: Makefile
	@mkdir -p build && echo '__global__ void k(void) {} int main(void) { return 0; }' >build/nvcc_probe.cu
	@if ! command -v nvcc >/dev/null 2>&1; then echo 'no'; \
	elif nvcc build/nvcc_probe.cu -o build/nvcc_probe >/dev/null 2>&1; then echo 'yes: '"$$(command -v nvcc)"; \
	else echo 'found, but it cannot build a program'; fi >$@
	@rm -f build/nvcc_probe*
