# Sources of simd. Only the files of a level get its instructions.
target_sources(vss_objects PRIVATE
    simd/detect.c
    simd/dispatch.c
    simd/exact.c
    simd/nearest.c
    simd/planes.c
    simd/pool.c
    simd/scan4.c
    simd/select.c
    simd/simd_scalar.c
    simd/tile.c
    simd/tile_scalar.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(avx2 -mavx2 -mfma -mf16c -mpopcnt)
    set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
    target_sources(vss_objects PRIVATE simd/simd_avx2.c simd/simd_avx512.c simd/simd_avx512vnni.c)
    set_source_files_properties(simd/simd_avx2.c PROPERTIES COMPILE_OPTIONS "${avx2}")
    set_source_files_properties(simd/simd_avx512.c PROPERTIES COMPILE_OPTIONS "${avx512}")
    set_source_files_properties(simd/simd_avx512vnni.c PROPERTIES COMPILE_OPTIONS
        "${avx512};-mavx512vnni;-mavx512vpopcntdq")
    target_sources(vss_objects PRIVATE simd/nearest_avx512vnni.c simd/scan4_avx2.c simd/scan4_avx512.c)
    target_sources(vss_objects PRIVATE simd/planes_avx2.c simd/planes_avx512.c simd/select_avx512.c)
    set_source_files_properties(simd/scan4_avx2.c simd/planes_avx2.c PROPERTIES COMPILE_OPTIONS "${avx2}")
    set_source_files_properties(simd/scan4_avx512.c simd/planes_avx512.c simd/select_avx512.c PROPERTIES COMPILE_OPTIONS "${avx512}")
    set_source_files_properties(simd/nearest_avx512vnni.c PROPERTIES COMPILE_OPTIONS "${avx512};-mavx512vnni")
    target_sources(vss_objects PRIVATE simd/pool_avx512.c simd/tile_avx2.c simd/tile_avx512.c simd/tile_avx512vnni.c)
    set_source_files_properties(simd/pool_avx512.c PROPERTIES COMPILE_OPTIONS "${avx512}")
    set_source_files_properties(simd/tile_avx2.c PROPERTIES COMPILE_OPTIONS "${avx2}")
    set_source_files_properties(simd/tile_avx512.c PROPERTIES COMPILE_OPTIONS "${avx512}")
    set_source_files_properties(simd/tile_avx512vnni.c PROPERTIES COMPILE_OPTIONS "${avx512};-mavx512vnni")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    target_sources(vss_objects PRIVATE simd/scan4_neon.c simd/simd_neon.c simd/simd_neondot.c)
    # gcc's first scheduling pass loads so far ahead that sums spill to the stack.
    set(neon $<$<C_COMPILER_ID:GNU>:-fno-schedule-insns>)
    set_source_files_properties(simd/simd_neon.c PROPERTIES COMPILE_OPTIONS "${neon}")
    set_source_files_properties(simd/simd_neondot.c PROPERTIES COMPILE_OPTIONS "${neon};-march=armv8.2-a+dotprod")
endif()
