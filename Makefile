# The two commands: make demo, make test. Everything else is CMake's (CMakePresets.json).
.PHONY: all demo test test-full faiss gpu test-gpu bench-gpu bench-flat bench-hnsw bench-ivf clean

all: build/release/build.ninja
	cmake --build build/release

build/%/build.ninja:
	cmake --preset $* >/dev/null

demo:
	@cmake/setup.sh demo
	@$(MAKE) --no-print-directory build/release/build.ninja
	@cmake --build build/release --target vss_tool >/dev/null
	@bench/demo.sh

test:
	@cmake/setup.sh test
	@tests/run.sh quick

test-full:
	@cmake/setup.sh full
	@tests/run.sh full

# libvss_faiss.so, the plug-in with FAISS' indexes, in build/faiss/plugin; FAISS comes from the system's packages.
faiss:
	@cmake/faiss.sh
	@cmake -S plugins/faiss -B build/faiss/plugin -G Ninja >/dev/null
	@cmake --build build/faiss/plugin

# libvss_gpu.so, the device "cuda", in build/gpu/plugin, for all architectures; it needs the CUDA toolkit (docs/gpu.md).
gpu:
	@cmake -S gpu -B build/gpu/plugin -G Ninja -DVSS_GPU_HOST=OFF -DVSS_GPU_TESTS=OFF >/dev/null
	@cmake --build build/gpu/plugin

# Its kernels on the host, and on the GPU where there is one.
test-gpu: all
	@tests/gpu/run.sh "80;90"

# Searches and builds on the GPU: rates, and what share they are of the measured peaks; with vectors of one's own,
# recall and speed beside the CPU's: make bench-gpu BASE=base.u8bin QUERIES=query.u8bin
bench-gpu: gpu $(if $(BASE),all)
	@build/gpu/plugin/vss-bench-gpu || [ $$? = 3 ]
	@python3 gpu/compare_torch.py || [ $$? = 3 ]
	@[ -z "$(BASE)" ] || gpu/compare_cpu.sh build/gpu/plugin/libvss_gpu.so,experimental=1 cuda $(BASE) $(QUERIES)

# Exact search beside faiss-cpu's IndexFlat on real data, everything the first time: tens of minutes.
bench-flat: all
	@bench/compare_flat.sh

# Graph search beside hnswlib, FAISS and usearch, everything the first time: tens of minutes.
bench-hnsw: all
	@bench/compare_hnsw.sh

# Inverted lists beside faiss-cpu: make bench-ivf BASE=base.u8bin QUERIES=query.u8bin
bench-ivf: all
	@bench/compare_ivf.sh curves $(BASE) $(QUERIES)

clean:
	rm -rf build
