# The two commands: make demo, make test. Everything else is CMake's (CMakePresets.json).
.PHONY: all demo test test-full bench-flat bench-hnsw bench-ivf clean

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
